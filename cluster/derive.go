package cluster

import (
	"fmt"
	"net/netip"
)

// Prefix lengths of a node's pod range, by family. A /24 holds 254 pods, more
// than the kubelet's limit; a /64 is what IPv6 gives a network.
const (
	podBits4 = 24
	podBits6 = 64
)

// maxIndex bounds node indexes, whatever room the ranges have.
// 5,000 nodes is the limit of Kubernetes itself (kubernetes.io, "Considerations for large clusters").
const maxIndex = 5500

// dnsOffset is the place of the cluster DNS address in the service range:
// .10 by a convention as old as kube-dns. It lies in the static band of the
// range (Kubernetes KEP-3070), from which nothing is allocated by itself.
const dnsOffset = 10

// nth gives address number i of the prefix, counted from the network address.
// ok is false where the prefix has no such address.
func nth(p netip.Prefix, i int) (netip.Addr, bool) {
	a := p.Masked().Addr()
	raw := a.As16()
	carry := uint64(i)
	for b := 15; b >= 0 && carry > 0; b-- {
		sum := uint64(raw[b]) + carry&0xff
		raw[b] = byte(sum)
		carry = carry>>8 + sum>>8
	}
	out := netip.AddrFrom16(raw)
	if a.Is4() {
		out = out.Unmap()
	}
	return out, carry == 0 && p.Contains(out)
}

// podRange gives the pod range of the node with index i.
func podRange(p netip.Prefix, i int) (netip.Prefix, bool) {
	bits := podBits6
	if p.Addr().Is4() {
		bits = podBits4
	}
	free := bits - p.Bits()
	if free < 0 || free < 31 && i >= 1<<free {
		return netip.Prefix{}, false
	}
	raw := p.Masked().Addr().As16()
	last := bits/8 - 1 // both lengths are whole bytes
	if p.Addr().Is4() {
		last += 12
	}
	carry := uint64(i)
	for b := last; b >= 0 && carry > 0; b-- {
		sum := uint64(raw[b]) + carry&0xff
		raw[b] = byte(sum)
		carry = carry>>8 + sum>>8
	}
	a := netip.AddrFrom16(raw)
	if p.Addr().Is4() {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits), true
}

// lastAddr gives the last usable host address of the prefix: the one before
// the broadcast address for IPv4, the last one for IPv6.
func lastAddr(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for b := bits; b < 128; b++ {
		raw[b/8] |= 1 << (7 - b%8)
	}
	a := netip.AddrFrom16(raw)
	if p.Addr().Is4() {
		return a.Unmap().Prev()
	}
	return a
}

// ranges are the parsed CIDRs that give a node its addresses.
type ranges struct {
	mesh, pods []netip.Prefix
	vip        netip.Addr
}

// usable reports whether a node may have index i: every range has room for
// it, its address is not the virtual one, nor an IPv4 address that ends in .0
// or .255, which some network gear takes for a network or a broadcast.
func (r ranges) usable(i int) bool {
	if i < 1 || i > maxIndex {
		return false
	}
	for _, p := range r.mesh {
		a, ok := nth(p, i)
		if !ok || a == r.vip {
			return false
		}
		if a.Is4() {
			if last := a.As4()[3]; last == 0 || last == 255 || a == lastAddr(p).Next() {
				return false
			}
		}
	}
	for _, p := range r.pods {
		if _, ok := podRange(p, i); !ok {
			return false
		}
	}
	return true
}

// room is how many nodes the ranges have place for.
type room struct {
	count   int // usable indexes
	highest int // the highest of them
}

// room counts the usable indexes. It looks at every index there could be, so
// it is called once for a definition.
func (r ranges) room() room {
	var out room
	for i := 1; i <= maxIndex; i++ {
		if r.usable(i) {
			out.count, out.highest = out.count+1, i
		}
	}
	return out
}

// place fills in the derived values of a node with index i.
func (r ranges) place(n *Node, i int) error {
	if !r.usable(i) {
		return fmt.Errorf("index %d of node %q has no place in mesh.cidr and kubernetes.podCIDR", i, n.Name)
	}
	n.Index = i
	for _, p := range r.mesh {
		a, _ := nth(p, i)
		n.MeshIPs = append(n.MeshIPs, a)
	}
	for _, p := range r.pods {
		pod, _ := podRange(p, i)
		n.PodCIDRs = append(n.PodCIDRs, pod)
	}
	return nil
}
