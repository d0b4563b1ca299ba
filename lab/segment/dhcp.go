package segment

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// leaseTime is how long a machine may keep its address without asking. As
// nobody else gets it, asking rarely is enough.
const leaseTime = 30 * 24 * time.Hour

// dhcpServer answers requests for addresses (RFC 2131) on "outside".
type dhcpServer struct {
	conn *gonet.UDPConn
	wg   sync.WaitGroup
}

// serveDHCP starts the server, if there is a network to serve.
func (h *host) serveDHCP(l *leases) error {
	if len(l.gateways) == 0 {
		return nil
	}
	var events waiter.Queue
	ep, err := h.stack.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &events)
	if err != nil {
		return refused("making the DHCP server's endpoint", err)
	}
	ep.SocketOptions().SetBroadcast(true)
	if err := ep.Bind(tcpip.FullAddress{NIC: nicID, Port: dhcpv4.ServerPort}); err != nil {
		ep.Close()
		return refused("binding the DHCP server", err)
	}
	h.dhcp = &dhcpServer{conn: gonet.NewUDPConn(&events, ep)}
	h.dhcp.wg.Go(func() { h.dhcp.serve(l) })
	return nil
}

func (d *dhcpServer) serve(l *leases) {
	buf := make([]byte, MTU)
	for {
		n, _, err := d.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		request, err := dhcpv4.FromBytes(buf[:n])
		if err != nil {
			continue // it is somebody's mistake, and not to be answered
		}
		if reply := l.answer(request); reply != nil {
			to := &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort}
			if reply.MessageType() == dhcpv4.MessageTypeAck && !request.ClientIPAddr.IsUnspecified() {
				to.IP = request.ClientIPAddr // it has the address, and renews it
			}
			_, _ = d.conn.WriteTo(reply.ToBytes(), to) // the machine asks again
		}
	}
}

func (d *dhcpServer) close() {
	_ = d.conn.Close() // nothing is kept
	d.wg.Wait()
}

// answer is the reply to a request, nil if there is none to give.
func (l *leases) answer(request *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	if request.OpCode != dhcpv4.OpcodeBootRequest || len(request.ClientHWAddr) != len(mac{}) || !request.GatewayIPAddr.IsUnspecified() {
		return nil
	}
	m := mac(request.ClientHWAddr)
	if m.group() {
		return nil
	}
	address, ok := l.of(m)
	if !ok {
		return nil
	}
	gateway, _ := l.network(address) // newLeases has made sure, and the pool is one
	server := net.IP(gateway.Addr().AsSlice())
	if other := request.ServerIdentifier(); other != nil && !other.Equal(server) {
		return nil
	}
	switch request.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return l.reply(request, dhcpv4.MessageTypeOffer, address, gateway)
	case dhcpv4.MessageTypeRequest:
		wanted := request.RequestedIPAddress()
		if wanted == nil || wanted.IsUnspecified() {
			wanted = request.ClientIPAddr
		}
		if a, ok := netip.AddrFromSlice(wanted.To4()); !ok || a != address {
			refusal, err := dhcpv4.NewReplyFromRequest(request, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)), dhcpv4.WithBroadcast(true))
			if err != nil {
				return nil
			}
			return refusal
		}
		return l.reply(request, dhcpv4.MessageTypeAck, address, gateway)
	case dhcpv4.MessageTypeInform:
		return l.reply(request, dhcpv4.MessageTypeAck, netip.Addr{}, gateway)
	}
	return nil // what was declined or released stays with its machine
}

// reply tells a machine its address, and all else. With an invalid address it
// has one, and only wants to know the rest.
func (l *leases) reply(request *dhcpv4.DHCPv4, kind dhcpv4.MessageType, address netip.Addr, gateway netip.Prefix) *dhcpv4.DHCPv4 {
	server := net.IP(gateway.Addr().AsSlice())
	with := []dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)),
		dhcpv4.WithOption(dhcpv4.OptSubnetMask(net.CIDRMask(gateway.Bits(), 32))),
		dhcpv4.WithOption(dhcpv4.OptRouter(server)),
	}
	if address.IsValid() {
		with = append(with, dhcpv4.WithYourIP(address.AsSlice()),
			dhcpv4.WithOption(dhcpv4.OptIPAddressLeaseTime(leaseTime)))
	}
	if len(l.dns) > 0 {
		var servers []net.IP
		for _, a := range l.dns {
			servers = append(servers, a.AsSlice())
		}
		with = append(with, dhcpv4.WithOption(dhcpv4.OptDNS(slices.Clip(servers)...)))
	}
	reply, err := dhcpv4.NewReplyFromRequest(request, with...)
	if err != nil {
		return nil
	}
	return reply
}
