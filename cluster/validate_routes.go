package cluster

import "net/netip"

// onLink reports whether an address is in one of the networks.
func onLink(a netip.Addr, own []netip.Prefix) bool {
	for _, p := range own {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// nextHop parses the address of a router. known says that own has all networks of the interface.
func (v *validator) nextHop(path, s string, own []netip.Prefix, known bool) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		v.errorf(path, "%s is not an IP address", quoted(s))
		return a, false
	}
	if problem := addressProblem(a); problem != "" {
		v.errorf(path, "%s", problem)
		return a, false
	}
	for _, p := range own {
		if p.Addr() == a {
			v.errorf(path, "%s is the interface's own address; want that of the router", a)
			return a, false
		}
	}
	if known && !onLink(a, own) && (a.Is4() || !a.IsLinkLocalUnicast()) {
		v.errorf(path, "%s is in none of the interface's networks, so it cannot be reached; allowed: an address of one of them", a)
		return a, false
	}
	return a, true
}

func (v *validator) checkGateways(f *Interface, path string, own []netip.Prefix) {
	families := map[bool]bool{}
	each(path, f.Gateways, func(at, s string) {
		a, ok := v.nextHop(at, s, own, !f.DHCP && len(own) == len(f.Addresses))
		if !ok {
			return
		}
		if families[a.Is4()] {
			v.errorf(at, "a second gateway of the same family; allowed: one for IPv4 and one for IPv6")
		}
		families[a.Is4()] = true
	})
}

func (v *validator) checkRoutes(f *Interface, path string, own []netip.Prefix) {
	once := seen{}
	for k, r := range f.Routes {
		at := element(path, k)
		if r.To == "" || r.Via == "" {
			continue // reported as missing
		}
		via, viaOK := v.nextHop(at+".via", r.Via, own, !f.DHCP && len(own) == len(f.Addresses))
		to, err := netip.ParsePrefix(r.To)
		switch {
		case err != nil || to.Addr().Is4In6():
			v.errorf(at+".to", "%s is not a CIDR (such as 198.51.100.0/24)", quoted(r.To))
			continue
		case to != to.Masked():
			v.errorf(at+".to", "%s has bits set after its prefix; the network is %s", quoted(r.To), to.Masked())
			continue
		case to.Bits() == 0:
			v.errorf(at+".to", "%s is the default route; use gateways", to)
			continue
		}
		if viaOK && via.Is4() != to.Addr().Is4() {
			v.errorf(at+".via", "%s and the destination %s are of different families", via, to)
		}
		for _, c := range v.ranges3() {
			for _, p := range c.prefixes {
				// The more special route wins, so only that can take traffic away.
				if to.Overlaps(p) && to.Bits() >= p.Bits() {
					v.errorf(at+".to", "%s lies in %s %s and would take its traffic away", to, c.path, p)
				}
			}
		}
		v.once(once, to.String(), at+".to", "the route to "+to.String())
	}
}
