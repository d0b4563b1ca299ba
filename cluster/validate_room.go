package cluster

import (
	"fmt"
	"net/netip"
	"strings"
)

// checkRoom holds the ranges against the number of nodes, spares, and removed
// nodes whose indexes stay theirs.
func (v *validator) checkRoom() {
	if len(v.mesh) == 0 || len(v.pods) == 0 {
		return
	}
	all := ranges{mesh: v.mesh, pods: v.pods, vip: v.vip}
	v.room = all.room()
	names := map[string]bool{}
	for _, n := range v.def.Nodes {
		names[n.Name] = true
	}
	for k := range max(0, v.def.Spares) {
		names[SpareName(k)] = true
	}
	removed := 0
	for name, i := range v.ledger {
		if !names[name] && all.usable(i) {
			removed++
		}
	}
	if need := len(names) + removed; need > v.room.count {
		v.tooSmall(need, removed)
		return
	}
	v.shrunk(names)
}

// tooSmall says which ranges have no place for the nodes.
func (v *validator) tooSmall(need, removed int) {
	who := plural(len(v.def.Nodes), "node") + " and " + plural(v.def.Spares, "spare")
	if removed > 0 {
		who += fmt.Sprintf(", and %s that %s still lists", plural(removed, "removed node"), IndexesFile)
	}
	blamed := false
	blame := func(path string, p netip.Prefix, each string, own func(netip.Prefix) ranges) {
		got := own(p).room()
		if got.count >= need {
			return
		}
		blamed = true
		hint := ""
		for bits := p.Bits() - 1; bits >= 8; bits-- {
			wider := netip.PrefixFrom(p.Addr(), bits).Masked()
			if own(wider).room().count >= need {
				hint = fmt.Sprintf("; a /%d or larger fits", bits)
				break
			}
		}
		v.errorf(path, "%s is too small: it has room for %s (%s), but %d are needed: %s%s", p, plural(got.count, "node"), each, need, who, hint)
	}
	for _, p := range v.mesh {
		blame("mesh.cidr", p, "an address each", func(p netip.Prefix) ranges {
			vip := v.vip
			if v.def.API.VIP == "" {
				vip = lastAddr(p)
			}
			return ranges{mesh: []netip.Prefix{p}, vip: vip}
		})
	}
	for _, p := range v.pods {
		bits := podBits6
		if p.Addr().Is4() {
			bits = podBits4
		}
		blame("kubernetes.podCIDR", p, fmt.Sprintf("a /%d each; the first one is not used", bits), func(p netip.Prefix) ranges {
			return ranges{pods: []netip.Prefix{p}}
		})
	}
	if !blamed { // each has room, but not for the same indexes
		v.errorf("kubernetes.podCIDR", "%s and mesh.cidr %s together have room for %s, but %d are needed: %s; take a larger podCIDR",
			prefixList(v.pods), prefixList(v.mesh), plural(v.room.count, "node"), need, who)
	}
}

// shrunk finds nodes whose index has no place any more.
func (v *validator) shrunk(names map[string]bool) {
	check := func(path string, p netip.Prefix, r ranges) {
		var lost []string
		for _, name := range v.ledger.names() {
			if names[name] && !r.usable(v.ledger[name]) {
				lost = append(lost, fmt.Sprintf("%q has %d", name, v.ledger[name]))
			}
		}
		if len(lost) > 0 {
			v.errorf(path, "%s has no place for the index that %s gave to %s (%s); a range may grow, but not shrink below the indexes in use",
				p, IndexesFile, plural(len(lost), "node"), shortList(lost, 3))
		}
	}
	for _, p := range v.mesh {
		check("mesh.cidr", p, ranges{mesh: []netip.Prefix{p}})
	}
	for _, p := range v.pods {
		check("kubernetes.podCIDR", p, ranges{pods: []netip.Prefix{p}})
	}
}

func prefixList(list []netip.Prefix) string {
	var s []string
	for _, p := range list {
		s = append(s, p.String())
	}
	return strings.Join(s, ",")
}

// shortList joins the first few of a list.
func shortList(list []string, limit int) string {
	if len(list) > limit {
		return strings.Join(list[:limit], ", ") + ", and more"
	}
	return strings.Join(list, ", ")
}
