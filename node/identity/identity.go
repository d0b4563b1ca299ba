// Package identity decides whether the identity that lies on a machine is one
// that its image accepts: of the same cluster, of a node that the image knows,
// whole, and with keys that are what their certificates say.
//
// The package reads files below one root folder and changes nothing there but
// the mode of keys that others could read. It takes the time as an argument and
// finds all problems at once. Nothing it says has any part of a key in it, nor
// any text of a file that was not checked first.
package identity

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

// DecisionPath is where "ingot-node identity" leaves the whole decision for
// others, until the machine goes down.
const DecisionPath = "/run/ingot/decision.json"

// Decision is what was found out about a machine.
type Decision struct {
	Accepted bool `json:"accepted"`
	// Cluster is the image's, empty where it is not known. The other facts are
	// the identity's, empty where it is not there or not to be read.
	Cluster   string       `json:"cluster,omitempty"`
	Node      string       `json:"node,omitempty"`
	Index     int          `json:"index,omitempty"`
	Spare     bool         `json:"spare,omitempty"`
	Roles     []string     `json:"roles,omitempty"`     // controller, worker, edge, in this order
	Addresses []netip.Addr `json:"addresses,omitempty"` // in the mesh, the primary one first
	Image     Image        `json:"image"`

	Problems []string `json:"problems,omitempty"` // why it is refused
	Warnings []string `json:"warnings,omitempty"` // what a person should know though it is accepted
}

// Summary says on one line who the machine is.
func (d *Decision) Summary() string {
	roles := slices.Clone(d.Roles)
	if d.Spare {
		roles = append(roles, "spare")
	}
	return fmt.Sprintf("this is %s of cluster %s (%s), index %d, %s",
		d.Node, d.Cluster, strings.Join(roles, ", "), d.Index, list(d.Addresses))
}

// Check decides about the machine whose files are below root, at a time. The
// same files and the same time give the same decision.
func Check(root string, now time.Time) *Decision {
	c := &check{root: filepath.Clean(root), now: now}
	c.run()
	c.Accepted = len(c.Problems) == 0
	return &c.Decision
}

// check is a decision in the making.
type check struct {
	Decision
	root  string
	now   time.Time
	image *clusterjson.Cluster
	facts *Facts

	applied   string                       // the paths that the unpacker has put in place, one a line
	made      time.Time                    // when the image was made
	clockSet  bool                         // the clock is not before that
	authority map[string]*x509.Certificate // of the image, by name
	foreign   map[string]bool              // authorities that the identity has others of
}

func (c *check) run() {
	c.readImage()
	if !c.readIdentity() || c.image == nil {
		return
	}
	if c.checkCluster() {
		c.checkNode()
	}
	c.checkApplied()
	c.checkClock()
	c.checkAuthorities()
	c.checkCertificates()
	c.checkServiceAccount()
	c.checkMesh()
	c.checkModes()
}

func (c *check) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

func (c *check) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// at is where a path of the machine is below the root.
func (c *check) at(path string) string { return filepath.Join(c.root, path) }

// list writes a list of addresses, ranges or words.
func list[T any](values []T) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprint(v)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// short is enough of a SHA-256 to tell two apart and to read them aloud.
func short(sum string) string {
	const digits = 12
	if len(sum) <= digits {
		return sum
	}
	return sum[:digits]
}

// day is how dates are written.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
