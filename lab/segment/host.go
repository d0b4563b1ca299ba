package segment

import (
	"errors"
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// host is "outside": a TCP/IP stack with one interface.
type host struct {
	stack    *stack.Stack
	nic      *nic
	gateways []netip.Prefix
	dhcp     *dhcpServer // nil without an IPv4 network
}

// nicID is the stack's number of its only interface.
const nicID tcpip.NICID = 1

// arpProbes is how often the stack asks, once a second, for the MAC address of
// a machine before the machine counts as not there. The usual 3 are too few
// for machines without KVM.
const arpProbes = 6

func newHost(f *fabric, gateways []netip.Prefix) (*host, error) {
	neighbors := stack.DefaultNUDConfigurations()
	neighbors.MaxMulticastProbes = arpProbes
	neighbors.MaxUnicastProbes = arpProbes
	h := &host{gateways: gateways, nic: &nic{addr: derive(Outside), fabric: f}}
	h.stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol,
			ipv6.NewProtocolWithOptions(ipv6.Options{AutoGenLinkLocal: true})},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		NUDConfigs:         neighbors,
		HandleLocal:        true,
	})
	h.nic.port = f.add(Outside, h.nic)
	f.table.keep(h.nic.addr, h.nic.port)
	if err := h.configure(); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *host) configure() error {
	sack := tcpip.TCPSACKEnabled(true)
	if err := h.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return refused("asking for selective acknowledgements", err)
	}
	if err := h.stack.CreateNIC(nicID, ethernet.New(h.nic)); err != nil {
		return refused("making a network interface", err)
	}
	for _, g := range h.gateways {
		if !g.IsValid() || g.Addr() == g.Masked().Addr() && !g.IsSingleIP() {
			return fmt.Errorf("gateway %q is no host's address and network", g)
		}
		err := h.stack.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
			Protocol: protocol(g.Addr()),
			AddressWithPrefix: tcpip.AddressWithPrefix{
				Address: tcpip.AddrFromSlice(g.Addr().AsSlice()), PrefixLen: g.Bits()},
		}, stack.AddressProperties{})
		if err != nil {
			return refused(fmt.Sprintf("taking the address %s", g), err)
		}
	}
	// Everything is on the segment: there is no gateway beyond.
	h.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nicID},
		{Destination: header.IPv6EmptySubnet, NIC: nicID},
	})
	return nil
}

// close breaks all connections and ends the stack.
func (h *host) close() {
	if h.dhcp != nil {
		h.dhcp.close()
	}
	h.nic.up.Store(nil)
	h.stack.Destroy()
}

// protocol is the network protocol of an address.
func protocol(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// source is the address of ours that packets for another come from: that in
// its network, else the first of its kind.
func (h *host) source(to netip.Addr) (netip.Addr, error) {
	var first netip.Addr
	for _, g := range h.gateways {
		if g.Contains(to) {
			return g.Addr(), nil
		}
		if !first.IsValid() && g.Addr().Is4() == to.Is4() {
			first = g.Addr()
		}
	}
	if !first.IsValid() {
		return netip.Addr{}, errors.New("the segment has no gateway with an address of that kind")
	}
	return first, nil
}

// refused is an error of the stack.
func refused(doing string, err tcpip.Error) error {
	return fmt.Errorf("%s: %w", doing, errors.New(err.String()))
}
