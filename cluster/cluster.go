// Package cluster is the cluster definition: its types, how it is loaded with
// positions, its defaults, its validation, and everything that is derived from
// it (node indexes, mesh addresses, pod ranges, endpoints).
//
// The package is pure: it reads the definition, the index ledger beside it and
// the files that the definition names, and touches nothing else.
package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/diag"
)

// Cluster is a validated definition together with everything derived from it.
// It is read-only once loaded and safe for concurrent use.
type Cluster struct {
	Def  Definition // with defaults applied
	File string     // path of cluster.yaml
	Dir  string     // its folder; relative paths of the definition start here

	Nodes []Node // in the order of the definition, then the spares

	MeshCIDRs    []netip.Prefix // first the family of the primary address
	PodCIDRs     []netip.Prefix
	ServiceCIDRs []netip.Prefix
	VIP          netip.Addr   // virtual address of the API in the mesh
	ServiceIPs   []netip.Addr // first address of each service range: the Service kubernetes.default
	DNSIPs       []netip.Addr // tenth address of each service range: cluster DNS, answered on every node by itself

	Indexes Indexes // the ledger as it must be written before anything is issued

	byName map[string]int // name -> place in Nodes, where it is known
	source []byte         // the definition, for Where
}

// Where is the place in the definition of a field, such as image.packages[2],
// or of the nearest thing around it that stands there: later steps find faults
// too, such as packages that an archive does not have.
func (c *Cluster) Where(path string) diag.Pos {
	if c.source == nil {
		return diag.Pos{File: c.File}
	}
	// Positions are many times the size of the definition. So they are found
	// again when they are asked for, and not kept.
	d := newDecoder(c.File, &diag.Report{})
	var def Definition
	if root := d.document(c.source); root != nil {
		d.decode(root, reflect.ValueOf(&def).Elem(), "", 0)
	}
	return (&validator{decoder: d}).where(path)
}

// Node is one machine, or one spare slot, with its derived values.
type Node struct {
	Spec     NodeSpec // as defined; a spare has a name and the role worker
	Name     string
	Index    int // 1-based, stable for the life of the cluster
	Spare    bool
	MeshIPs  []netip.Addr   // one for each family of Cluster.MeshCIDRs
	PodCIDRs []netip.Prefix // one for each family of Cluster.PodCIDRs
}

// Has reports whether the node has the role.
func (n *Node) Has(r Role) bool { return slices.Contains(n.Spec.Roles, r) }

// MeshIP is the node's primary mesh address.
func (n *Node) MeshIP() netip.Addr { return n.MeshIPs[0] }

// Dialable reports whether other nodes can open a mesh connection to this one.
func (n *Node) Dialable() bool { return n.Spec.Address != "" }

// FQDN is the full DNS name of a node.
func (c *Cluster) FQDN(n *Node) string { return n.Name + "." + c.Def.Domain }

// Node finds a node or spare by name.
func (c *Cluster) Node(name string) (*Node, bool) {
	if i, ok := c.byName[name]; ok && i < len(c.Nodes) && c.Nodes[i].Name == name {
		return &c.Nodes[i], true
	}
	for i := range c.Nodes {
		if c.Nodes[i].Name == name {
			return &c.Nodes[i], true
		}
	}
	return nil, false
}

// WithRole lists the nodes that have the role, in order; spares are left out.
func (c *Cluster) WithRole(r Role) []*Node {
	var out []*Node
	for i := range c.Nodes {
		if n := &c.Nodes[i]; !n.Spare && n.Has(r) {
			out = append(out, n)
		}
	}
	return out
}

// DialableNodes lists the nodes that others connect to, in order.
func (c *Cluster) DialableNodes() []*Node {
	var out []*Node
	for i := range c.Nodes {
		if n := &c.Nodes[i]; n.Dialable() {
			out = append(out, n)
		}
	}
	return out
}

// EtcdPeerURL is the URL at which a controller's etcd is reached by its peers.
func (c *Cluster) EtcdPeerURL(n *Node) string {
	return "https://" + hostPort(n.MeshIP(), c.Def.Etcd.PeerPort)
}

// EtcdClientURL is the URL at which a controller's etcd serves its clients in the mesh.
func (c *Cluster) EtcdClientURL(n *Node) string {
	return "https://" + hostPort(n.MeshIP(), c.Def.Etcd.ClientPort)
}

// EtcdInitialCluster is etcd's --initial-cluster: name=peerURL of every
// controller, in the order of the definition.
func (c *Cluster) EtcdInitialCluster() string {
	var parts []string
	for _, n := range c.WithRole(Controller) {
		parts = append(parts, n.Name+"="+c.EtcdPeerURL(n))
	}
	return strings.Join(parts, ",")
}

// LocalAPIURL is the API as a node's own components see it: the balancer on loopback.
func (c *Cluster) LocalAPIURL() string {
	return "https://" + hostPort(netip.AddrFrom4([4]byte{127, 0, 0, 1}), c.Def.API.LocalPort)
}

// ExternalAPIURL is the API for clients outside: the first of api.names, or
// the virtual address where the definition names none.
func (c *Cluster) ExternalAPIURL() string {
	if len(c.Def.API.Names) > 0 {
		return "https://" + net.JoinHostPort(c.Def.API.Names[0], strconv.Itoa(c.Def.API.Port))
	}
	return "https://" + hostPort(c.VIP, c.Def.API.Port)
}

// SpareName is the name of spare k, counted from 0.
func SpareName(k int) string { return fmt.Sprintf("spare%d", k) }

func hostPort(a netip.Addr, port int) string {
	return netip.AddrPortFrom(a, uint16(port)).String()
}
