// Package clusterjson is what an image knows about its cluster: the file
// /usr/lib/ingot/cluster.json. The bake writes it, and ingot-node on the
// machine holds the identity against it. The package imports the standard
// library alone, so that ingot-node stays small.
package clusterjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Where the image has the file, and below it the certificates of the
// authorities as <authority>.crt, each one PEM block.
const (
	Path   = "/usr/lib/ingot/cluster.json"
	PKIDir = "/usr/lib/ingot/pki"
)

// Version and Kind are the only accepted values of the first two keys.
const (
	Version = "ingot/v1"
	Kind    = "Image"
)

// MaxSize bounds the file in bytes. A node takes about 250 and its labels, and
// a cluster has at most 5,500 of them.
const MaxSize = 8 << 20

// Cluster is the content of cluster.json. Keys are only ever added.
type Cluster struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`

	Name   string `json:"name"`
	Domain string `json:"domain"`
	// Kubernetes is the version of Kubernetes, such as v1.36.3.
	Kubernetes string `json:"kubernetes"`
	// Provisioning is what brings the identity: ignition or cloud-init.
	Provisioning  string         `json:"provisioning"`
	MeshInterface string         `json:"meshInterface"`
	MeshCIDRs     []netip.Prefix `json:"meshCIDRs"`
	// Authorities has the SHA-256 of the DER of each authority's certificate,
	// 64 lower-case hexadecimal digits, by kubernetes, etcd and front-proxy.
	Authorities map[string]string `json:"authorities"`
	// Labels are those of all nodes.
	Labels map[string]string `json:"labels,omitempty"`
	// FloatingAddress is the public address that moves between the edges.
	FloatingAddress netip.Addr `json:"floatingAddress,omitzero"`
	// Nodes are those of the definition in its order, then the spares.
	Nodes []Node `json:"nodes"`
}

// Node is one machine, or a spare slot.
type Node struct {
	Name      string       `json:"name"`
	Index     int          `json:"index"` // 1-based
	Roles     []string     `json:"roles"` // controller, worker, edge
	Spare     bool         `json:"spare,omitempty"`
	Addresses []netip.Addr `json:"addresses"` // in the mesh, the primary one first
	// PodCIDRs are the ranges of its pods. Where they are left out, those of an
	// identity are not held against anything.
	PodCIDRs []netip.Prefix `json:"podCIDRs,omitempty"`
	// Zone and Labels are the node's own.
	Zone   string            `json:"zone,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// MeshKey is the SHA-256 of the DER (PKCS #1) of its public mesh key, 64
	// lower-case hexadecimal digits. The node's host file is no place to look:
	// that of the identity lies over the image's.
	MeshKey string `json:"meshKey,omitempty"`
}

// Node finds a node or spare by name.
func (c *Cluster) Node(name string) (*Node, bool) {
	for i := range c.Nodes {
		if c.Nodes[i].Name == name {
			return &c.Nodes[i], true
		}
	}
	return nil, false
}

// Has reports whether the node has a role.
func (n *Node) Has(role string) bool { return slices.Contains(n.Roles, role) }

// Encode writes the file: JSON with one node a line, and a line end. The same
// value gives the same bytes. APIVersion and Kind are set.
func (c Cluster) Encode() ([]byte, error) {
	c.APIVersion, c.Kind = Version, Kind
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("encoding cluster.json: %w", err)
	}
	nodes := c.Nodes
	c.Nodes = nil
	head, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding cluster.json: %w", err)
	}
	b := bytes.NewBuffer(bytes.TrimSuffix(head, []byte("null\n}")))
	b.WriteByte('[')
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte(',')
		}
		line, err := json.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("encoding cluster.json: node %q: %w", n.Name, err)
		}
		b.WriteString("\n  ")
		b.Write(line)
	}
	b.WriteString("\n ]\n}\n")
	return b.Bytes(), nil
}

// Parse reads the file. Keys that it does not know are left alone; what it
// needs and does not find is an error.
func Parse(data []byte) (*Cluster, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("reading cluster.json: %d bytes (at most %d)", len(data), MaxSize)
	}
	var c Cluster
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("reading cluster.json: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading cluster.json: something stands behind its end")
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("reading cluster.json: %w", err)
	}
	return &c, nil
}

func (c *Cluster) check() error {
	switch {
	case c.APIVersion != Version || c.Kind != Kind:
		return fmt.Errorf("apiVersion %q, kind %q is not known (%s, %s)", c.APIVersion, c.Kind, Version, Kind)
	case c.Name == "" || c.Domain == "":
		return fmt.Errorf("name %q, domain %q: neither may be empty", c.Name, c.Domain)
	case len(c.Authorities) == 0 || len(c.Nodes) == 0:
		return fmt.Errorf("%d authorities and %d nodes: there must be some", len(c.Authorities), len(c.Nodes))
	}
	for name, sum := range c.Authorities {
		if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
			return fmt.Errorf("authority %q: %q is not a SHA-256", name, sum)
		}
	}
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		if n.Name == "" || n.Index < 1 || len(n.Roles) == 0 || len(n.Addresses) == 0 {
			return fmt.Errorf("node %q, index %d: name, index, roles and addresses must be there", n.Name, n.Index)
		}
		if seen[n.Name] {
			return fmt.Errorf("node %q is there twice", n.Name)
		}
		seen[n.Name] = true
	}
	return nil
}
