package machine_test

import (
	"context"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
	"github.com/ingot-k8s/ingot/lab/segment"
)

// TestSegment has a machine on a segment, in a folder with a long path: it
// gets its address, is spoken to, and is found again after a power cut.
func TestSegment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	mac := segment.MAC("test", "m1")
	s, err := segment.Start(t.Context(), segment.Config{
		Dir:      filepath.Join(dir, "net"),
		Gateways: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")},
		Leases:   map[string]netip.Addr{mac: netip.MustParseAddr("192.0.2.77")},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	local, remote, err := s.Port("m1")
	if err != nil {
		t.Fatal(err)
	}
	cfg := machine.Config{
		Name: "m1", Dir: filepath.Join(dir, "m1"), Memory: 192, Direct: linux(t),
		Nets: []machine.Net{{Kind: machine.Datagram, MAC: mac, Local: local, Remote: remote}},
	}
	for _, when := range []string{"first start", "after a power cut"} {
		g := guest{qemu.Start(t, cfg), t}
		g.ready()
		g.says("udhcpc -i eth0 -s /bin/true -n -q -f -t 20 -T 2", "lease of 192.0.2.77 obtained")
		g.run("ip addr flush dev eth0; ip addr add 192.0.2.77/24 dev eth0")
		g.says("ping -c 2 192.0.2.1", " 0% packet loss")
		g.run("(echo " + when + " | nc -l -p 80) &")
		if got := g.hear(s); got != when+"\n" {
			t.Errorf("%s: port 80 says %q", when, got)
		}
		g.Kill()
	}
}

// hear returns all that the machine's port 80 says.
func (g guest) hear(s *segment.Segment) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), bootTime)
	defer cancel()
	for {
		conn, err := s.DialContext(ctx, "tcp", "192.0.2.77:80")
		if err != nil { // it may not listen yet
			if ctx.Err() != nil {
				g.t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			continue
		}
		b, err := io.ReadAll(conn)
		if err != nil {
			g.t.Error(err)
		}
		_ = conn.Close()
		return string(b)
	}
}
