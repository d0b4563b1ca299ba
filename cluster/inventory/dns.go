package inventory

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// ttl is the time to live of the records in seconds: long enough to be
// cached, short enough to move a name within five minutes.
const ttl = 300

// apex is the domain itself in a zone file.
const apex = "@"

// record is one resource record of the zone, or a comment about one that cannot be.
type record struct {
	name    string
	kind    string // A, AAAA, CNAME
	value   string
	comment string
}

// zone writes the records of the cluster's domain in the form of a zone file
// (RFC 1035, section 5), to be included by a zone that has its own SOA and NS
// records:
//
//	<node>    every node with an address
//	masterN   controller number N, counted from 0 in the order of the definition
//	edgeN     edge number N, likewise
//	api       all controllers with an address, and so are those of api.names that lie in the domain
//	edge      all edges with an address
//	*.edge    the same, so that any name below edge reaches the edges; not "*", which would answer for
//	          nodes without an address and for mistyped names as well
//
// A node whose address is a DNS name becomes a CNAME. A name that stands for
// several nodes cannot be one (RFC 1034, section 3.6.2), so there such nodes
// are left out in favour of those with an IP address; where there are none,
// the first is taken. What is left out is said in a comment.
func zone(b *bytes.Buffer, c *cluster.Cluster) error {
	z := &zoneWriter{c: c, taken: map[string]bool{}}
	for i := range c.Nodes {
		z.node(&c.Nodes[i])
	}
	masters, edges := c.WithRole(cluster.Controller), c.WithRole(cluster.Edge)
	z.numbered("master", masters)
	z.numbered("edge", edges)
	for _, name := range apiNames(c) {
		relative, inside := strings.CutSuffix(name, "."+c.Def.Domain)
		switch {
		case name == c.Def.Domain:
			z.several(apex, "controller", masters)
		case inside:
			z.several(relative, "controller", masters)
		default:
			z.comment("%s lies outside this zone: give it the same records as %s", name, apiName)
		}
	}
	if len(edges) > 0 {
		z.several(edgeName, "edge", edges)
		z.several("*."+edgeName, "edge", edges)
	}
	fmt.Fprintf(b, "; Records of the cluster %s, for a zone with its own SOA and NS records.\n", c.Def.Name)
	fmt.Fprintf(b, "; Written by ingot inventory %s -o dns.\n", c.Def.Name)
	fmt.Fprintf(b, "$ORIGIN %s.\n$TTL %d\n", c.Def.Domain, ttl)
	z.write(b)
	return nil
}

type zoneWriter struct {
	c       *cluster.Cluster
	records []record
	taken   map[string]bool // names that have records
}

func (z *zoneWriter) comment(format string, args ...any) {
	z.records = append(z.records, record{comment: fmt.Sprintf(format, args...)})
}

func (z *zoneWriter) add(name, kind, value string) {
	z.records = append(z.records, record{name: name, kind: kind, value: value})
	z.taken[name] = true
}

// addAddress adds an A or AAAA record.
func (z *zoneWriter) addAddress(name string, a netip.Addr) {
	kind := "AAAA"
	if a.Is4() {
		kind = "A"
	}
	z.add(name, kind, a.String())
}

// node adds the record of one node under its own name.
func (z *zoneWriter) node(n *cluster.Node) {
	a, err := netip.ParseAddr(n.Spec.Address)
	switch {
	case n.Spare:
	case !n.Dialable():
		z.comment("%s has no address: it is reached in the mesh only", n.Name)
	case err == nil:
		z.addAddress(n.Name, a)
	case n.Spec.Address == z.c.FQDN(n):
		z.comment("%s is known by this very name: its record is kept by hand", n.Name)
		z.taken[n.Name] = true
	default:
		z.add(n.Name, "CNAME", n.Spec.Address+".")
	}
}

// numbered adds <prefix>0, <prefix>1, ... as other names of nodes. A node that
// has such a name itself keeps it.
func (z *zoneWriter) numbered(prefix string, nodes []*cluster.Node) {
	for i, n := range nodes {
		name := fmt.Sprintf("%s%d", prefix, i)
		switch other, exists := z.c.Node(name); {
		case exists && other.Name == n.Name:
		case exists:
			z.comment("%s is the name of another node: %s has no name %s", name, n.Name, name)
		case !n.Dialable():
			z.comment("%s would be %s, which has no address", name, n.Name)
		default:
			z.several(name, prefix, []*cluster.Node{n})
		}
	}
}

// several adds a name that stands for a set of nodes.
func (z *zoneWriter) several(name, what string, nodes []*cluster.Node) {
	if z.taken[name] {
		z.comment("%s has records already", name)
		return
	}
	var addresses []netip.Addr
	var named []*cluster.Node
	for _, n := range nodes {
		if a, err := netip.ParseAddr(n.Spec.Address); err == nil {
			addresses = append(addresses, a)
		} else if n.Dialable() {
			named = append(named, n)
		}
	}
	switch {
	case len(addresses) > 0:
		for _, a := range addresses {
			z.addAddress(name, a)
		}
		for _, n := range named {
			z.comment("%s leaves out %s: its address is the name %s, and a CNAME cannot stand beside other records", name, n.Name, n.Spec.Address)
		}
	case len(named) > 0 && named[0].Spec.Address == name+"."+z.c.Def.Domain:
		z.comment("%s is the address of %s: its record is kept by hand", name, named[0].Name)
		z.taken[name] = true
	case len(named) > 0 && name == apex:
		z.comment("%s has no records: a CNAME cannot stand for the whole zone, and no %s has an IP address", z.c.Def.Domain, what)
	case len(named) > 0:
		z.add(name, "CNAME", named[0].Spec.Address+".")
		for _, n := range named[1:] {
			z.comment("%s leaves out %s: a CNAME cannot stand for several names", name, n.Name)
		}
	default:
		z.comment("%s has no records: no %s has an address", name, what)
	}
}

// write aligns the records; comments keep their place.
func (z *zoneWriter) write(b *bytes.Buffer) {
	width := 0
	for _, r := range z.records {
		width = max(width, len(r.name))
	}
	for _, r := range z.records {
		if r.comment != "" {
			fmt.Fprintf(b, "; %s\n", r.comment)
			continue
		}
		fmt.Fprintf(b, "%-*s IN %-5s %s\n", width, r.name, r.kind, r.value)
	}
}
