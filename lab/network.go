package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab/segment"
)

// network chooses the range of the segment: the /24 of the addresses, or the
// smallest that has them all, in which the machines are neighbours.
func (p *planner) network() error {
	p.net = defaultNetwork
	if len(p.wanted) > 0 {
		p.net = netip.PrefixFrom(p.wanted[0], networkBits).Masked()
	}
	for _, a := range p.wanted {
		for !p.net.Contains(a) {
			p.net = netip.PrefixFrom(p.net.Addr(), p.net.Bits()-1).Masked()
		}
	}
	for p.net.Bits() > 8 && 1<<(32-p.net.Bits()) < poolStart+len(p.machines)+2 { // and the broadcast address, and a gateway
		p.net = netip.PrefixFrom(p.net.Addr(), p.net.Bits()-1).Masked()
	}
	for _, r := range slices.Concat(p.c.MeshCIDRs, p.c.PodCIDRs, p.c.ServiceCIDRs) {
		if r.Overlaps(p.net) {
			return fmt.Errorf("the nodes' addresses are in %s, which overlaps %s of the cluster; a lab has one network for all nodes", p.net, r)
		}
	}
	// One of the definition's own serves where it is in the same network.
	own := slices.IndexFunc(p.gateways, func(g netip.Prefix) bool { return g.Masked() == p.net })
	if own >= 0 {
		g := p.gateways[own]
		p.gateways = slices.Insert(slices.Delete(p.gateways, own, own+1), 0, g)
		return nil
	}
	gateway, err := p.free(1)
	if err != nil {
		return err
	}
	p.used[gateway] = gatewayName
	p.gateways = slices.Insert(p.gateways, 0, netip.PrefixFrom(gateway, p.net.Bits()))
	return nil
}

// free finds an address in the network that nobody has, the first from a host
// number on.
func (p *planner) free(host int) (netip.Addr, error) {
	a := p.net.Masked().Addr()
	for range host {
		a = a.Next()
	}
	for ; p.net.Contains(a.Next()); a = a.Next() { // the last is the broadcast address
		if p.used[a] == "" {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("network %s has no address left", p.net)
}

// connect gives a machine the interfaces that its definition leaves open.
func (p *planner) connect(m *Planned) error {
	if len(m.NICs) == 0 {
		m.NICs = []NIC{{MAC: segment.MAC(p.c.Def.Name, m.Name)}}
	}
	if !m.Address.IsValid() {
		a, err := p.free(poolStart)
		if err != nil {
			return err
		}
		p.used[a], m.Address = m.Name, a
	}
	if m.asks() {
		m.NICs[0].Lease = m.Address
	}
	return nil
}

// asks reports whether a machine asks for its address, on whichever interface.
func (m *Planned) asks() bool {
	return m.Node == nil || m.Node.Spec.Network == nil ||
		!slices.ContainsFunc(m.Node.Spec.Network.Interfaces, func(f cluster.Interface) bool { return len(f.Addresses) > 0 })
}

// Controllers are the machines that run the control plane.
func (p *Plan) Controllers() []*Planned {
	var out []*Planned
	for i := range p.Machines {
		if m := &p.Machines[i]; m.Node != nil && !m.Node.Spare && m.Node.Has(cluster.Controller) {
			out = append(out, m)
		}
	}
	return out
}
