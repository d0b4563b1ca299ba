package segment

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// How long a machine may be silent before a connection to it counts as broken:
// keepIdle, then keepCount questions every keepInterval; and giveUp for what it
// does not acknowledge. Machines without KVM may stand still for long.
const (
	keepIdle     = 30 * time.Second
	keepInterval = 10 * time.Second
	keepCount    = 9
	giveUp       = 2 * time.Minute
)

// DialContext connects from "outside" to an address of the segment, such as
// "192.0.2.10:6443" or "[fd00::10]:53". Networks are tcp and udp, and both
// with 4 or 6. Names are not resolved. Errors wrap syscall.ECONNREFUSED,
// ETIMEDOUT, EHOSTUNREACH and others as those of package net do; a machine
// that is not there makes itself known as EHOSTUNREACH after some seconds.
func (s *Segment) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dialling %q: %w", address, errors.New("an IP address and a port are needed"))
	}
	conn, err := s.dial(ctx, network, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	if err != nil {
		return nil, fmt.Errorf("dialling %s over %s: %w", to, network, err)
	}
	return conn, nil
}

func (s *Segment) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	kind, family := strings.TrimRight(network, "46"), strings.TrimLeft(network, "tcpud")
	switch {
	case kind != "tcp" && kind != "udp" || len(family) > 1:
		return nil, errors.New("unknown network (tcp, tcp4, tcp6, udp, udp4, udp6)")
	case family == "4" && !to.Addr().Is4(), family == "6" && !to.Addr().Is6():
		return nil, errors.New("the address is of another network")
	}
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	from, err := s.host.source(to.Addr())
	if err != nil {
		return nil, err
	}
	local, remote := full(netip.AddrPortFrom(from, 0)), full(to)
	if kind == "tcp" {
		return s.host.dialTCP(ctx, local, remote, protocol(to.Addr()))
	}
	conn, err := gonet.DialUDP(s.host.stack, &local, &remote, protocol(to.Addr()))
	if err != nil { // not a nil pointer as a net.Conn
		return nil, err
	}
	return conn, nil
}

func full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFromSlice(a.Addr().AsSlice()), Port: a.Port()}
}

// dialTCP is gonet's function of this kind, but for the options and errors.
func (h *host) dialTCP(ctx context.Context, local, remote tcpip.FullAddress, network tcpip.NetworkProtocolNumber) (*gonet.TCPConn, error) {
	var events waiter.Queue
	ep, refusal := h.stack.NewEndpoint(tcp.ProtocolNumber, network, &events)
	if refusal != nil {
		return nil, refused("making an endpoint", refusal)
	}
	entry, connected := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	events.EventRegister(&entry)
	defer events.EventUnregister(&entry)
	if refusal := persist(ep); refusal != nil {
		ep.Close()
		return nil, refused("setting up an endpoint", refusal)
	}
	if refusal = ep.Bind(local); refusal == nil {
		refusal = ep.Connect(remote)
	}
	if _, started := refusal.(*tcpip.ErrConnectStarted); started {
		select {
		case <-connected:
			refusal = ep.LastError()
		case <-ctx.Done():
			ep.Close()
			return nil, ctx.Err()
		}
	}
	if refusal != nil {
		ep.Close()
		return nil, errno(refusal)
	}
	return gonet.NewTCPConn(&events, ep), nil
}

// persist sets how long a connection waits for a silent machine.
func persist(ep tcpip.Endpoint) tcpip.Error {
	ep.SocketOptions().SetKeepAlive(true)
	idle, interval, user := tcpip.KeepaliveIdleOption(keepIdle), tcpip.KeepaliveIntervalOption(keepInterval), tcpip.TCPUserTimeoutOption(giveUp)
	for _, option := range []tcpip.SettableSocketOption{&idle, &interval, &user} {
		if err := ep.SetSockOpt(option); err != nil {
			return err
		}
	}
	return ep.SetSockOptInt(tcpip.KeepaliveCountOption, keepCount)
}

// errno is what the kernel's stack would have said.
func errno(err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrConnectionRefused:
		return syscall.ECONNREFUSED
	case *tcpip.ErrConnectionReset:
		return syscall.ECONNRESET
	case *tcpip.ErrTimeout:
		return syscall.ETIMEDOUT
	case *tcpip.ErrHostUnreachable:
		return syscall.EHOSTUNREACH
	case *tcpip.ErrNetworkUnreachable:
		return syscall.ENETUNREACH
	case *tcpip.ErrConnectionAborted, *tcpip.ErrClosedForSend, *tcpip.ErrClosedForReceive:
		return errClosed
	}
	return errors.New(err.String())
}
