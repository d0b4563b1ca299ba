package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
)

// maxHook bounds the hook in bytes: a static program fits, and every image has
// it.
const maxHook = 16 << 20

// checkEdge checks the floating address of the edges, and what moves it.
func (v *validator) checkEdge() {
	e := &v.def.Edge
	switch {
	case e.FloatingAddress == "" && e.Hook == "":
		return
	case e.Hook == "":
		v.errorf("edge.floatingAddress", "nothing moves the address; name the program that does in edge.hook")
	case e.FloatingAddress == "":
		v.errorf("edge.hook", "there is nothing to move; give the address in edge.floatingAddress")
	}
	if e.FloatingAddress != "" {
		v.checkFloatingAddress("edge.floatingAddress", e.FloatingAddress)
	}
	if e.Hook != "" && v.local("edge.hook", e.Hook) {
		if err := v.checkHook(e.Hook); err != nil {
			v.errorf("edge.hook", "%s: %s", quoted(e.Hook), err)
		}
	}
	switch edges := v.edges(); len(edges) {
	case 0:
		v.errorf("edge", "no node has the role edge, and so nobody could hold the floating address")
	case 1:
		v.warnf(element("nodes", edges[0]), "the only edge: the floating address has no other node to move to; give a second node the role edge")
	}
}

// edges are the places of the nodes with the role edge.
func (v *validator) edges() []int {
	var out []int
	for i, n := range v.def.Nodes {
		for _, r := range n.Roles {
			if r == Edge {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

// checkFloatingAddress checks that the address can be one that belongs to no
// machine for good.
func (v *validator) checkFloatingAddress(path, s string) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		v.errorf(path, "%s is not an IP address (such as 198.51.100.100), without port or prefix", quoted(s))
		return
	}
	if problem := addressProblem(a); problem != "" {
		v.errorf(path, "%s", problem)
		return
	}
	if a.IsLinkLocalUnicast() {
		v.errorf(path, "%s is a link-local address, which only neighbours on one wire can dial; want one that clients outside can reach", a)
		return
	}
	if where, taken := v.inRange(netip.PrefixFrom(a, a.BitLen())); taken {
		v.errorf(path, "%s lies in %s; want an address outside the cluster", a, where)
		return
	}
	for i := range v.def.Nodes {
		if at, own := nodeHas(&v.def.Nodes[i], element("nodes", i), a); own {
			v.errorf(path, "%s is the address of a node (%s in line %d), which is its own for good; want one that can move", a, at, v.where(at).Line)
			return
		}
	}
}

// nodeHas finds the field that gives a node an address.
func nodeHas(n *NodeSpec, at string, a netip.Addr) (string, bool) {
	if own, err := netip.ParseAddr(n.Address); err == nil && own == a {
		return join(at, "address"), true
	}
	if n.Network == nil {
		return "", false
	}
	for i := range n.Network.Interfaces {
		for k, s := range n.Network.Interfaces[i].Addresses {
			if p, err := netip.ParsePrefix(s); err == nil && p.Addr() == a {
				return element(element(at+".network.interfaces", i)+".addresses", k), true
			}
		}
	}
	return "", false
}

// checkHook looks whether the kernel could run the hook (execve(2)).
func (v *validator) checkHook(s string) error {
	data, mode, err := v.readUpTo(s, maxHook)
	if err != nil {
		return err
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	switch {
	case len(data) == 0:
		return errors.New("an empty file; want a script or a program")
	case mode&0o111 == 0:
		return fmt.Errorf("not executable (mode %04o): chmod 755", mode.Perm())
	case bytes.HasPrefix(data, []byte("\x7fELF")):
	case !bytes.HasPrefix(data, []byte("#!")):
		return errors.New("neither a script, which begins with #!, nor an ELF program")
	case bytes.HasSuffix(first, []byte("\r")):
		return errors.New("its lines end as on Windows, by which no interpreter is found")
	}
	if hasPrivateKey(string(data)) {
		return errors.New("there is a private key in it, and images have none; give it to the edges by their files")
	}
	return nil
}
