package ignition

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// UserDataLimit is what user data may have on every platform, in bytes: the
// smallest limit of those that have user data and no drive (Amazon EC2, "Run
// commands at launch": 16 KB). Every node of the shipped clusters is under it.
// It is no error to be over it, because most targets take more: large clusters
// without an image of their own, and RSA keys, need that.
const UserDataLimit = 16384

// The limits of the targets, in bytes.
const (
	// digitalOceanLimit is DigitalOcean's ("Provide User Data": 64 KiB).
	digitalOceanLimit = 64 << 10
	// guestinfoLimit is what one guestinfo value may have: VMware's RPC channel
	// carries 64 KiB a message (open-vm-tools, guest_msg_def.h,
	// GUESTMSG_MAX_IN_SIZE), and the command takes some of it.
	guestinfoLimit = 64<<10 - 256
)

// TargetLimit is the most that a target takes of user data, in bytes; 0 means
// as much as a drive holds.
func TargetLimit(target string) int {
	switch target {
	case "digitalocean":
		return digitalOceanLimit
	case "esxi":
		return guestinfoLimit
	}
	return 0
}

// TooLargeError is an identity that a target would not take.
type TooLargeError struct {
	Node   string
	What   string // the form that is too large, such as "user_data.inline"
	Size   int    // in bytes
	Limit  int
	Target string     // whose limit it is; empty for all
	Parts  []PartSize // the biggest, by what each adds
}

// PartSize is what one file adds to an identity, about, in bytes of the
// finished form.
type PartSize struct {
	Path string
	Size int
}

// Error lists the biggest parts. Whose identity it is stands before it, see
// [Outputs].
func (e *TooLargeError) Error() string {
	whose := "every platform takes"
	if e.Target != "" {
		whose = "target " + e.Target + " takes"
	}
	parts := make([]string, len(e.Parts))
	for i, p := range e.Parts {
		parts[i] = fmt.Sprintf("%s %d", p.Path, p.Size)
	}
	return fmt.Sprintf("too large: %s has %d bytes, and %s at most %d; its biggest parts: %s",
		e.What, e.Size, whose, e.Limit, strings.Join(parts, ", "))
}

// listedParts is how many parts the error names.
const listedParts = 5

// biggestParts estimates what each file adds: what it takes compressed by
// itself, in base64. Files that are like others add less than that.
func (id *Identity) biggestParts() ([]PartSize, error) {
	var parts []PartSize
	add := func(path string, data []byte) error {
		var raw []byte
		for _, p := range splitPEM(data) {
			raw = append(raw, p.data...)
		}
		packed, err := compress(raw)
		if err != nil {
			return err
		}
		parts = append(parts, PartSize{Path: path, Size: base64.StdEncoding.EncodedLen(min(len(packed), len(raw)))})
		return nil
	}
	for _, f := range id.Files {
		if err := add(f.Path, f.Data); err != nil {
			return nil, err
		}
	}
	for _, u := range id.Units {
		if err := add("/etc/systemd/system/"+u.Name, []byte(u.Content)); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(parts, func(a, b PartSize) int { return cmp.Compare(b.Size, a.Size) })
	return parts[:min(len(parts), listedParts)], nil
}

// tooLarge makes the error of a form that is over a limit.
func (id *Identity) tooLarge(what string, size, limit int, target string) error {
	parts, err := id.biggestParts()
	if err != nil {
		return err
	}
	return &TooLargeError{Node: id.Node, What: what, Size: size, Limit: limit, Target: target, Parts: parts}
}
