package cluster

import (
	"fmt"
	"net/netip"
	"strings"
)

// Limits of the service range. The API server allows at most 20 host bits
// (--service-cluster-ip-range); the tenth address must exist for the cluster DNS.
const (
	maxServiceHostBits = 20
	minServiceHostBits = 4
)

// specialRanges cannot be ranges of a cluster.
var specialRanges = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 1122)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where clouds keep their metadata"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},
	{netip.MustParsePrefix("::/96"), "unspecified, loopback and old IPv4 forms"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4 in IPv6 form; write the IPv4 range"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// publicSafe are the IPv4 ranges that nobody meets on the internet: RFC 1918,
// RFC 6598, RFC 2544, and those for documentation (RFC 5737).
var publicSafe = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
}

// clusterRange is one of the three kinds of range of a cluster, parsed.
type clusterRange struct {
	path     string
	prefixes []netip.Prefix
}

// ranges3 are the ranges of the cluster, in the order in which they are checked.
func (v *validator) ranges3() []clusterRange {
	return []clusterRange{{"mesh.cidr", v.mesh}, {"kubernetes.podCIDR", v.pods}, {"kubernetes.serviceCIDR", v.services}}
}

// inRange finds the cluster range that a prefix overlaps with.
func (v *validator) inRange(p netip.Prefix) (string, bool) {
	for _, r := range v.ranges3() {
		for _, q := range r.prefixes {
			if p.Overlaps(q) {
				return r.path + " " + q.String(), true
			}
		}
	}
	return "", false
}

// ParsePrefixes reads one CIDR, or one of each family with a comma between
// them, the form that Kubernetes' own flags take.
func ParsePrefixes(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, part := range splitComma(s) {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("%s is not a CIDR (such as 10.42.0.0/16 or fd42::/48)", quoted(part))
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%s has bits set after its prefix; the network is %s", quoted(part), p.Masked())
		}
		out = append(out, p)
	}
	if len(out) > 2 || len(out) == 2 && out[0].Addr().Is4() == out[1].Addr().Is4() {
		return nil, fmt.Errorf("%s: want one CIDR, or one IPv4 and one IPv6 CIDR", quoted(s))
	}
	return out, nil
}

// prefixes parses the ranges at a path and refuses special ones.
func (v *validator) prefixes(path, s string) []netip.Prefix {
	out, err := ParsePrefixes(s)
	if err != nil {
		v.errorf(path, "%s", err)
		return nil
	}
	for _, p := range out {
		for _, special := range specialRanges {
			if p.Overlaps(special.prefix) {
				v.errorf(path, "%s overlaps %s: %s; want a private range", p, special.prefix, special.what)
				return nil
			}
		}
		if p.Addr().Is4() && !containedIn(publicSafe, p) {
			v.warnf(path, "%s is public address space, which the nodes could then not reach; a private range (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16) is safe", p)
		}
	}
	return out
}

func containedIn(list []netip.Prefix, p netip.Prefix) bool {
	for _, q := range list {
		if q.Contains(p.Addr()) && q.Bits() <= p.Bits() {
			return true
		}
	}
	return false
}

// checkRanges parses the mesh, pod and service ranges, and holds them against each other.
func (v *validator) checkRanges() {
	v.mesh = v.prefixes("mesh.cidr", v.def.Mesh.CIDR)
	v.pods = v.prefixes("kubernetes.podCIDR", v.def.Kubernetes.PodCIDR)
	v.services = v.prefixes("kubernetes.serviceCIDR", v.def.Kubernetes.ServiceCIDR)
	v.overlaps()
	for _, r := range v.ranges3()[1:] {
		if len(v.mesh) > 0 && len(r.prefixes) > 0 && families(r.prefixes) != families(v.mesh) {
			v.errorf(r.path, "is %s, but mesh.cidr is %s; the mesh, pods and Services need the same families in the same order",
				families(r.prefixes), families(v.mesh))
		}
	}
	for _, p := range v.services {
		host := p.Addr().BitLen() - p.Bits()
		if host > maxServiceHostBits || host < minServiceHostBits {
			v.errorf("kubernetes.serviceCIDR", "%s has a prefix that the API server or the cluster DNS cannot work with (allowed: /%d to /%d)",
				p, p.Addr().BitLen()-maxServiceHostBits, p.Addr().BitLen()-minServiceHostBits)
		}
	}
	v.checkVIP()
}

func (v *validator) overlaps() {
	all := v.ranges3()
	for i, a := range all {
		for _, b := range all[i+1:] {
			for _, p := range a.prefixes {
				for _, q := range b.prefixes {
					if !p.Overlaps(q) {
						continue
					}
					at, other, mine, theirs := b.path, a.path, q, p
					if !v.given(at) && v.given(other) { // point at what stands in the file
						at, other, mine, theirs = other, at, theirs, mine
					}
					v.errorf(at, "%s overlaps %s %s; the ranges of the mesh, pods and Services must be apart", mine, other, theirs)
				}
			}
		}
	}
}

func families(list []netip.Prefix) string {
	var names []string
	for _, p := range list {
		if p.Addr().Is4() {
			names = append(names, "IPv4")
		} else {
			names = append(names, "IPv6")
		}
	}
	return strings.Join(names, " and ")
}

// checkVIP settles the virtual address of the API.
func (v *validator) checkVIP() {
	if len(v.mesh) == 0 {
		return
	}
	last := lastAddr(v.mesh[0])
	v.vip = last
	advice := "set api.vip to one that no node has"
	if s := v.def.API.VIP; s != "" {
		a, ok := v.parseVIP(s, last)
		if !ok {
			return
		}
		v.vip, advice = a, "take one that no node has, such as the default "+last.String()
	}
	for _, name := range v.ledger.names() {
		if taken, ok := nth(v.mesh[0], v.ledger[name]); ok && taken == v.vip {
			v.errorf("api.vip", "%s is the mesh address of %q (index %d in %s); %s", v.vip, name, v.ledger[name], IndexesFile, advice)
		}
	}
}

// parseVIP reads api.vip, which is a host address of the mesh. last is the default.
func (v *validator) parseVIP(s string, last netip.Addr) (netip.Addr, bool) {
	const path = "api.vip"
	p := v.mesh[0]
	switch a, err := netip.ParseAddr(s); {
	case err != nil || a.Zone() != "" || a.Is4In6():
		v.errorf(path, "%s is not an IP address (such as %s)", quoted(s), last)
	case !p.Contains(a):
		v.errorf(path, "%s is not in mesh.cidr %s; any address of it that no node has will do, such as the default %s", a, p, last)
	case a == p.Addr():
		v.errorf(path, "%s is the network address of mesh.cidr %s; want a host address, such as the default %s", a, p, last)
	case a.Is4() && a == last.Next():
		v.errorf(path, "%s is the broadcast address of mesh.cidr %s; want a host address, such as the default %s", a, p, last)
	default:
		return a, true
	}
	return netip.Addr{}, false
}
