package pki

import (
	"path"
	"strings"
)

// Action is what a run did.
type Action string

// The actions.
const (
	Made        Action = "made"         // a key that did not exist
	Pinned      Action = "pinned"       // the certificate of a remote authority
	Issued      Action = "issued"       // what was not there: all of a new node, or one certificate
	Reissued    Action = "issued again" // one certificate, with a new key
	Removed     Action = "removed"      // a certificate that the roles no longer need
	Reencrypted Action = "encrypted again"
)

// Change is one thing that a run did, and why.
type Change struct {
	Holder string `json:"holder"` // such as "node master0"
	Name   string `json:"name,omitempty"`
	Action Action `json:"action"`
	Reason string `json:"reason,omitempty"`
}

// String is a line for people: "node master0: apiserver issued again: SAN 192.0.2.99 missing".
func (c Change) String() string {
	var b strings.Builder
	b.WriteString(c.Holder + ": ")
	if c.Name != "" {
		b.WriteString(c.Name + " ")
	}
	b.WriteString(string(c.Action))
	if c.Reason != "" {
		b.WriteString(": " + c.Reason)
	}
	return b.String()
}

// title is the name of a holder for people.
func title(holder string) string {
	name := path.Base(holder)
	switch path.Dir(holder) + "/" {
	case authoritiesDir:
		return "authority " + name
	case nodesDir:
		return "node " + name
	case adminsDir:
		return "admin " + name
	}
	switch holder {
	case serviceAccount:
		return "service account key"
	case encryption:
		return "encryption key"
	}
	return holder
}
