package segment_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab/segment"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

var gateways = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}

// start makes a segment whose end is checked to leave nothing.
func start(t testing.TB, cfg segment.Config) *segment.Segment {
	t.Helper()
	if cfg.Gateways == nil {
		cfg.Gateways = gateways
	}
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "net")
	}
	s, err := segment.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(cfg.Dir); err != nil || len(left) != 0 {
			t.Errorf("it left %v, %v", left, err)
		}
	})
	return s
}

// echo answers every connection with what it says, until its end.
func (g *guest) echo(port uint16) {
	g.t.Helper()
	network := ipv4.ProtocolNumber
	if g.addr.Is6() {
		network = ipv6.ProtocolNumber
	}
	l, err := gonet.ListenTCP(g.Stack, tcpip.FullAddress{NIC: 1, Port: port}, network)
	if err != nil {
		g.t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	g.t.Cleanup(func() { _ = l.Close() })
}

// says sends a word through a connection and expects it back.
func says(t testing.TB, conn net.Conn, word string) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, word); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != word {
		t.Fatalf("got %q, %v, want %q", got, err, word)
	}
}

func dial(t testing.TB, s *segment.Segment, network, address string) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	return s.DialContext(ctx, network, address)
}

func mustDial(t testing.TB, s *segment.Segment, network, address string) net.Conn {
	t.Helper()
	conn, err := dial(t, s, network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestDial(t *testing.T) {
	t.Parallel()
	s := start(t, segment.Config{})
	boot(t, s, "a", "192.0.2.10/24").echo(80)
	boot(t, s, "b", "2001:db8::10/64").echo(80)
	says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "four")
	says(t, mustDial(t, s, "tcp6", "[2001:db8::10]:80"), "six")

	if _, err := dial(t, s, "tcp", "192.0.2.10:81"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed port: %v", err)
	}
	if _, err := dial(t, s, "tcp", "192.0.2.99:80"); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.DialContext(ctx, "tcp", "192.0.2.98:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time: %v", err)
	}
	for _, c := range []struct{ network, address, want string }{
		{"tcp", "localhost:80", "IP address and a port"},
		{"tcp", "192.0.2.10", "IP address and a port"},
		{"unix", "192.0.2.10:80", "unknown network (tcp"},
		{"tcp44", "192.0.2.10:80", "unknown network (tcp"},
		{"tcp6", "192.0.2.10:80", "of another network"},
		{"udp4", "[2001:db8::10]:80", "of another network"},
	} {
		if _, err := dial(t, s, c.network, c.address); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %q", c.network, c.address, err, c.want)
		}
	}
}

// TestDialWhenBack connects to a machine that was not there before.
func TestDialWhenBack(t *testing.T) {
	t.Parallel()
	s := start(t, segment.Config{})
	if _, err := dial(t, s, "tcp", "192.0.2.10:80"); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("nobody there: %v", err)
	}
	g := boot(t, s, "a", "192.0.2.10/24")
	g.echo(80)
	says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "there")
	g.stop()
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	if _, err := s.DialContext(ctx, "tcp", "192.0.2.10:80"); err == nil {
		t.Error("connected to a machine that is off")
	}
	boot(t, s, "a", "192.0.2.10/24").echo(80)
	says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "back")
}

// TestUDP sends datagrams both ways.
func TestUDP(t *testing.T) {
	s := start(t, segment.Config{})
	for address, network := range map[string]tcpip.NetworkProtocolNumber{"192.0.2.10": ipv4.ProtocolNumber, "2001:db8::10": ipv6.ProtocolNumber} {
		name := map[bool]string{true: "a", false: "b"}[network == ipv4.ProtocolNumber]
		prefix := netip.PrefixFrom(netip.MustParseAddr(address), 24)
		g := boot(t, s, name, prefix.String())
		server, err := gonet.DialUDP(g.Stack, &tcpip.FullAddress{NIC: 1, Port: 53}, nil, network)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			buf := make([]byte, 2000)
			for {
				n, from, err := server.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = server.WriteTo(buf[:n], from)
			}
		}()
		says(t, mustDial(t, s, "udp", net.JoinHostPort(address, "53")), "datagram")
		_ = server.Close()
	}
}

// TestEndsWithContext has no one to close the segment.
func TestEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := filepath.Join(t.TempDir(), "net")
	s, err := segment.Start(ctx, segment.Config{Dir: dir, Gateways: gateways})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Port("a"); err != nil {
		t.Fatal(err)
	}
	cancel()
	wait(t, "the sockets to go", func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) == 0
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestPorts are named, once for each name, in one segment at a time.
func TestPorts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	s := start(t, segment.Config{Dir: dir})
	local, remote, err := s.Port("lab0.a-1")
	if err != nil || filepath.Dir(local) != dir || filepath.Dir(remote) != dir || local == remote {
		t.Fatalf("got %q, %q, %v", local, remote, err)
	}
	if l, r, err := s.Port("lab0.a-1"); l != local || r != remote || err != nil || len(s.Counters()) != 2 {
		t.Errorf("again: %q, %q, %v, %v", l, r, err, s.Counters())
	}
	for _, name := range []string{"", "outside", "a/b", "a,b", "ä"} {
		if _, _, err := s.Port(name); err == nil {
			t.Errorf("there is a port %q", name)
		}
	}
	other, err := segment.Start(t.Context(), segment.Config{Dir: dir, Gateways: gateways})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Port("lab0.a-1"); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("two segments have a port: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(remote); err != nil {
		t.Errorf("the other has taken away the first one's socket: %v", err)
	}
}

// TestLeftBehind starts where a segment was killed.
func TestLeftBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{".sw", ".vm"} {
		old, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: unixPath(t, filepath.Join(dir, "a"+end)), Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		_ = old.Close()
	}
	s := start(t, segment.Config{Dir: dir})
	boot(t, s, "a", "192.0.2.10/24").echo(80)
	says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "anew")
}

// TestLeavesNothing closes a segment in full use.
func TestLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := filepath.Join(t.TempDir(), "net")
	s, err := segment.Start(t.Context(), segment.Config{Dir: dir, Gateways: gateways})
	if err != nil {
		t.Fatal(err)
	}
	g := boot(t, s, "a", "192.0.2.10/24")
	g.echo(80)
	says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "open")
	at, err := s.Forward(t.Context(), netip.MustParseAddrPort("192.0.2.10:80"), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	says(t, conn, "forwarded")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the forwarded connection is not broken: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	if _, err := net.Dial("tcp", at.String()); err == nil {
		t.Error("it still listens")
	}
	if _, _, err := s.Port("b"); err == nil {
		t.Error("a closed segment makes ports")
	}
	if _, err := s.DialContext(t.Context(), "tcp", "192.0.2.10:80"); err == nil {
		t.Error("a closed segment dials")
	}
	g.stop()
	settle(t, before)
}

// settle waits until there are no more goroutines than there were.
func settle(t testing.TB, before int) {
	t.Helper()
	for end := time.Now().Add(soon); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, before %d:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func leases(pairs ...string) map[string]netip.Addr {
	out := map[string]netip.Addr{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = netip.MustParseAddr(pairs[i+1])
	}
	return out
}
