package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab/segment"
)

// Plan says which machines a lab has room for and how they are connected. It
// follows from the definition alone.
type Plan struct {
	Network  netip.Prefix   // what the machines are in
	Gateways []netip.Prefix // addresses of the segment itself, the one for DHCP first
	Machines []Planned      // in the order of the definition, then the spares, then the others
	Notes    []string       // what the lab cannot do for this definition
}

// Planned is a machine of a plan.
type Planned struct {
	Name    string
	Node    *cluster.Node // nil for a machine that the definition does not have
	Address netip.Addr    // on the segment
	NICs    []NIC
}

// NIC is a network interface of a machine.
type NIC struct {
	MAC   string
	Lease netip.Addr // what DHCP gives; invalid where the definition has static addresses
}

// defaultNetwork is for definitions without addresses: TEST-NET-1 (RFC 5737),
// which is never a real network.
var defaultNetwork = netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, 0}), networkBits)

const (
	// networkBits is the size of the network, where all addresses fit in.
	networkBits = 24
	// poolStart is the first host in the network of the addresses that nodes
	// get for which the definition has none.
	poolStart = 100
)

// NewPlan makes the plan of a cluster's lab. Others are the names of further
// machines, for identities that do not belong to the cluster.
func NewPlan(c *cluster.Cluster, others ...string) (*Plan, error) {
	p := &planner{c: c, used: map[netip.Addr]string{}}
	for i := range c.Nodes {
		p.machines = append(p.machines, Planned{Name: c.Nodes[i].Name, Node: &c.Nodes[i]})
	}
	for _, name := range others {
		if _, known := c.Node(name); known {
			return nil, fmt.Errorf("planning the lab: machine %q is a node of the cluster", name)
		}
		p.machines = append(p.machines, Planned{Name: name})
	}
	for i := range p.machines {
		if err := p.fixed(&p.machines[i]); err != nil {
			return nil, fmt.Errorf("planning the lab: %w", err)
		}
	}
	if err := p.network(); err != nil {
		return nil, fmt.Errorf("planning the lab: %w", err)
	}
	for i := range p.machines {
		if err := p.connect(&p.machines[i]); err != nil {
			return nil, fmt.Errorf("planning the lab: %w", err)
		}
	}
	return &Plan{Network: p.net, Gateways: p.gateways, Machines: p.machines, Notes: p.notes}, nil
}

// Machine finds a machine by name.
func (p *Plan) Machine(name string) (*Planned, bool) {
	for i := range p.Machines {
		if p.Machines[i].Name == name {
			return &p.Machines[i], true
		}
	}
	return nil, false
}

// Leases are the addresses that DHCP gives, by MAC address.
func (p *Plan) Leases() map[string]netip.Addr {
	out := map[string]netip.Addr{}
	for _, m := range p.Machines {
		for _, n := range m.NICs {
			if n.Lease.IsValid() {
				out[n.MAC] = n.Lease
			}
		}
	}
	return out
}

type planner struct {
	c        *cluster.Cluster
	machines []Planned
	net      netip.Prefix
	gateways []netip.Prefix
	used     map[netip.Addr]string // who has the address
	wanted   []netip.Addr          // addresses that the network must have
	notes    []string
}

func (p *planner) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// fixed finds the addresses of a machine that the definition has.
func (p *planner) fixed(m *Planned) error {
	if m.Node == nil {
		return nil
	}
	spec := &m.Node.Spec
	address, err := netip.ParseAddr(spec.Address)
	switch {
	case spec.Address == "":
	case err != nil:
		p.note("%s: nothing in the lab resolves %q, so it dials other nodes and is not dialled", m.Name, spec.Address)
	case spec.Network == nil && !address.Is4():
		p.note("%s: DHCP of the lab gives IPv4 addresses, so it does not have %s", m.Name, address)
	default:
		m.Address = address
	}
	if spec.Network == nil {
		if m.Address.IsValid() {
			return p.take(m.Address, m.Name)
		}
		return nil
	}
	return p.static(m)
}

// static plans the interfaces that the definition has, all on the one segment.
func (p *planner) static(m *Planned) error {
	var own []netip.Addr
	for i, f := range m.Node.Spec.Network.Interfaces {
		nic := NIC{MAC: f.MAC}
		if f.MAC == "" {
			nic.MAC = segment.MAC(p.c.Def.Name, fmt.Sprintf("%s-%d", m.Name, i))
			p.note("%s: its interface %q is found by name, which in the lab may be another; a definition by MAC address works", m.Name, f.Name)
		}
		m.NICs = append(m.NICs, nic)
		for _, a := range f.Addresses {
			prefix, err := netip.ParsePrefix(a)
			if err != nil {
				return fmt.Errorf("node %q: address %q: %w", m.Name, a, err)
			}
			if err := p.take(prefix.Addr(), m.Name); err != nil {
				return err
			}
			own = append(own, prefix.Addr())
			if err := p.gateway(f, prefix); err != nil {
				return fmt.Errorf("node %q: %w", m.Name, err)
			}
		}
	}
	if len(own) == 0 {
		return nil // DHCP, on an interface that is chosen
	}
	if !slices.Contains(own, m.Address) {
		if m.Address.IsValid() {
			p.note("%s: none of its interfaces has its address %s, so it is not dialled", m.Name, m.Address)
		}
		m.Address = own[0]
	}
	return nil
}

// gateway has the segment own the gateways of an interface.
func (p *planner) gateway(f cluster.Interface, prefix netip.Prefix) error {
	for _, g := range f.Gateways {
		gateway, err := netip.ParseAddr(g)
		if err != nil {
			return fmt.Errorf("gateway %q: %w", g, err)
		}
		if own := netip.PrefixFrom(gateway, prefix.Bits()); prefix.Contains(gateway) && !slices.Contains(p.gateways, own) {
			p.gateways = append(p.gateways, own)
			if p.used[gateway] == "" {
				p.used[gateway] = gatewayName
			}
		}
	}
	return nil
}

const gatewayName = "the gateway"

// take gives an address to a machine.
func (p *planner) take(a netip.Addr, name string) error {
	if other := p.used[a]; other != "" && other != name {
		return fmt.Errorf("address %s is that of %q and of %q", a, other, name)
	}
	p.used[a] = name
	if a.Is4() && !slices.Contains(p.wanted, a) {
		p.wanted = append(p.wanted, a)
	}
	return nil
}
