package segment_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab/segment"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// soon is how long anything may take that should happen at once.
const soon = 20 * time.Second

// frame is one from one machine to another.
func frame(to, from string, size int) []byte {
	b := make([]byte, size)
	for i, name := range []string{to, from} {
		hw, err := net.ParseMAC(segment.MAC("test", name))
		if err != nil {
			panic(err)
		}
		copy(b[6*i:], hw)
	}
	b[12], b[13] = 0x88, 0xb5 // for experiments (IEEE 802)
	return b
}

// wire does with a port's sockets what QEMU does: it makes its own anew, and
// sends from it, unconnected.
type wire struct {
	t     testing.TB
	conn  *net.UnixConn
	other *net.UnixAddr
}

// unixPath is a path that is short enough for a socket.
func unixPath(t testing.TB, path string) string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(rel) < len(path) {
		return rel
	}
	return path
}

func plug(t testing.TB, s *segment.Segment, name string) *wire {
	t.Helper()
	local, remote, err := s.Port(name)
	if err != nil {
		t.Fatal(err)
	}
	local, remote = unixPath(t, local), unixPath(t, remote)
	if err := os.Remove(local); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: local, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, conn: conn, other: &net.UnixAddr{Name: remote, Net: "unixgram"}}
	t.Cleanup(func() { _ = conn.Close() })
	return w
}

// unplug is what happens to the socket when QEMU is killed: its file stays.
func (w *wire) unplug() { _ = w.conn.Close() }

func (w *wire) write(frame []byte) {
	w.t.Helper()
	if _, err := w.conn.WriteTo(frame, w.other); err != nil {
		w.t.Fatal(err)
	}
}

// read returns the next frame, nil if none comes in time.
func (w *wire) read(wait time.Duration) []byte {
	w.t.Helper()
	buf := make([]byte, 1<<16)
	if err := w.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		w.t.Fatal(err)
	}
	n, err := w.conn.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// guest is a machine with a stack like that of "outside".
type guest struct {
	*wire
	*stack.Stack
	addr netip.Addr
	stop func()
}

// boot starts a guest with an address on a port.
func boot(t testing.TB, s *segment.Segment, name, address string) *guest {
	t.Helper()
	prefix := netip.MustParsePrefix(address)
	g := &guest{wire: plug(t, s, name), addr: prefix.Addr()}
	hw, err := net.ParseMAC(segment.MAC("test", name))
	if err != nil {
		t.Fatal(err)
	}
	g.Stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	link := channel.New(1024, segment.MTU+header.EthernetMinimumSize, tcpip.LinkAddress(hw))
	ok := func(err tcpip.Error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sack := tcpip.TCPSACKEnabled(true) // as Linux does
	ok(g.SetTransportProtocolOption(tcp.ProtocolNumber, &sack))
	ok(g.CreateNIC(1, ethernet.New(link)))
	proto := ipv4.ProtocolNumber
	if prefix.Addr().Is6() {
		proto = ipv6.ProtocolNumber
	}
	ok(g.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: proto, AddressWithPrefix: tcpip.AddressWithPrefix{
		Address: tcpip.AddrFromSlice(prefix.Addr().AsSlice()), PrefixLen: prefix.Bits()}}, stack.AddressProperties{}))
	g.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}, {Destination: header.IPv6EmptySubnet, NIC: 1}})

	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 1<<16)
		for {
			n, err := g.conn.Read(buf)
			if err != nil {
				return
			}
			p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(buf[:n])})
			link.InjectInbound(0, p)
			p.DecRef()
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for p := link.ReadContext(t.Context()); p != nil; p = link.ReadContext(t.Context()) {
			_, _ = g.conn.WriteTo(p.ToView().AsSlice(), g.other) // as a frame is lost
			p.DecRef()
		}
	}()
	stopped := false
	g.stop = func() {
		if stopped {
			return
		}
		stopped = true
		g.unplug()
		link.Close()
		g.Destroy()
		<-done
		<-done
	}
	t.Cleanup(g.stop)
	return g
}
