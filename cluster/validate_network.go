package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// interfaceName is what the kernel takes (dev_valid_name: at most 15 bytes, no
// slash, colon or space), less what would need quoting in configuration files.
var interfaceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$`)

// networks is what must differ between all nodes.
type networks struct {
	macs, addresses seen
	dialed          map[netip.Addr]int // node.address -> node
}

func (v *validator) checkNetworks() {
	if name := v.def.Mesh.Interface; !interfaceName.MatchString(name) || name == "lo" {
		v.errorf("mesh.interface", "%s is not the name of a network interface; want 1 to 15 letters, digits, dots, dashes and underscores", quoted(name))
	}
	all := &networks{macs: seen{}, addresses: seen{}, dialed: map[netip.Addr]int{}}
	for i, n := range v.def.Nodes {
		if a, err := netip.ParseAddr(n.Address); err == nil {
			if _, twice := all.dialed[a]; !twice {
				all.dialed[a] = i
			}
		}
	}
	for i := range v.def.Nodes {
		if v.def.Nodes[i].Network != nil {
			v.checkNetwork(i, all)
		}
	}
}

func (v *validator) checkNetwork(i int, all *networks) {
	network, path := v.def.Nodes[i].Network, element("nodes", i)+".network"
	v.checkResolvers(path+".dns", network.DNS)
	search := seen{}
	each(path+".search", network.Search, func(at, s string) {
		if v.dnsName(at, s) {
			v.once(search, s, at, quoted(s))
		}
	})
	names, gateways := seen{}, map[bool]string{}
	var own []netip.Prefix
	for k := range network.Interfaces {
		at := element(path+".interfaces", k)
		if v.nulls[at] {
			continue
		}
		own = append(own, v.checkInterface(i, &network.Interfaces[k], at, names, all)...)
		for g, s := range network.Interfaces[k].Gateways {
			if a, err := netip.ParseAddr(s); err == nil {
				here := element(at+".gateways", g)
				if first, twice := gateways[a.Is4()]; twice && !strings.HasPrefix(first, at+".") {
					v.warnf(here, "a second default gateway of the node beside %s; traffic takes only one of them", first)
				}
				gateways[a.Is4()] = here
			}
		}
	}
	v.plausible(i, own)
}

// checkInterface checks one interface of node i and gives its addresses.
func (v *validator) checkInterface(i int, f *Interface, path string, names seen, all *networks) []netip.Prefix {
	if f.Name == "" && f.MAC == "" {
		v.errorf(path, "neither name nor mac: one of them must say which interface this is")
	}
	if f.Name != "" {
		switch at := path + ".name"; {
		case !interfaceName.MatchString(f.Name):
			v.errorf(at, "%s is not the name of a network interface; want 1 to 15 letters, digits, dots, dashes and underscores", quoted(f.Name))
		case f.Name == "lo":
			v.errorf(at, "\"lo\" is loopback, which needs no settings")
		case f.Name == v.def.Mesh.Interface:
			v.errorf(at, "%s is the interface of the mesh, which Ingot sets up", quoted(f.Name))
		default:
			v.once(names, f.Name, at, "the interface "+quoted(f.Name))
		}
	}
	if f.MAC != "" {
		v.checkMAC(path+".mac", f.MAC, all.macs)
	}
	switch {
	case f.DHCP && len(f.Addresses) > 0:
		v.errorf(path+".addresses", "dhcp and addresses exclude each other; take one")
	case !f.DHCP && len(f.Addresses) == 0:
		v.errorf(path, "neither dhcp nor addresses: the interface would have no address; set dhcp to true or list addresses")
	case f.DHCP && len(f.Gateways) > 0:
		v.errorf(path+".gateways", "dhcp gives the gateways; use routes for others")
	}
	own := v.checkInterfaceAddresses(i, f, path+".addresses", all)
	v.checkGateways(f, path+".gateways", own)
	v.checkRoutes(f, path+".routes", own)
	return own
}

func (v *validator) checkMAC(path, s string, macs seen) {
	mac, err := net.ParseMAC(s)
	switch {
	case err != nil || len(mac) != 6:
		v.errorf(path, "%s is not a MAC address (such as 52:54:00:12:34:56)", quoted(s))
	case mac[0]&1 != 0:
		v.errorf(path, "%s is a multicast or broadcast address, want that of one interface", quoted(s))
	case mac.String() == "00:00:00:00:00:00":
		v.errorf(path, "%s stands for no interface", quoted(s))
	default:
		v.once(macs, mac.String(), path, "the MAC address "+mac.String())
	}
}

func (v *validator) checkInterfaceAddresses(i int, f *Interface, path string, all *networks) []netip.Prefix {
	var own []netip.Prefix
	each(path, f.Addresses, func(at, s string) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			hint := ""
			if a, err := netip.ParseAddr(s); err == nil {
				hint = fmt.Sprintf("; the prefix length is missing, such as %s/%d", a, a.BitLen()*3/4)
			}
			v.errorf(at, "%s is not an address with its prefix length, such as 192.0.2.10/24%s", quoted(s), hint)
			return
		}
		if problem := hostProblem(p); problem != "" {
			v.errorf(at, "%s", problem)
			return
		}
		if where, taken := v.inRange(p.Masked()); taken && !p.Addr().IsLinkLocalUnicast() {
			v.errorf(at, "the network %s overlaps %s; the machine could not tell the two apart", p.Masked(), where)
		}
		if other, dialed := all.dialed[p.Addr()]; dialed && other != i {
			v.errorf(at, "%s is the address of another node, nodes[%d] in line %d", p.Addr(), other, v.where(element("nodes", other)).Line)
		}
		if p.Addr().IsLinkLocalUnicast() || v.once(all.addresses, p.Addr().String(), at, "the address "+p.Addr().String()) {
			own = append(own, p)
		}
	})
	return own
}

// hostProblem says why an address with prefix cannot be that of a machine, or "".
func hostProblem(p netip.Prefix) string {
	a := p.Addr()
	if problem := addressProblem(a); problem != "" {
		return problem
	}
	if a.Is4() && p.Bits() < 31 { // RFC 3021: a /31 has no network and broadcast address
		switch a {
		case p.Masked().Addr():
			return p.String() + " is the address of the network, not of a machine in it"
		case lastAddr(p).Next():
			return p.String() + " is the broadcast address of the network, not that of a machine in it"
		}
	}
	return ""
}

// plausible compares the address that others dial with those of the interfaces.
func (v *validator) plausible(i int, own []netip.Prefix) {
	a, err := netip.ParseAddr(v.def.Nodes[i].Address)
	if err != nil {
		return
	}
	near := netip.Prefix{}
	for _, p := range own {
		if p.Addr() == a {
			return
		}
		if p.Contains(a) {
			near = p
		}
	}
	if near.IsValid() {
		v.warnf(element("nodes", i)+".address", "%s is in the network of %s, but no interface of the node has it; is one of them mistyped?", a, near)
	}
}
