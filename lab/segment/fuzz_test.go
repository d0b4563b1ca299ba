package segment

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// FuzzFrame has a machine send two frames of its choice, one after the other,
// to another machine that has spoken before. What others get is what was sent,
// and nobody gets his own.
func FuzzFrame(f *testing.F) {
	eth := func(to, from mac, more ...byte) []byte {
		return slices.Concat(to[:], from[:], []byte{0x88, 0xb5}, more)
	}
	a, b := derive("a"), derive("b")
	f.Add(eth(b, a, 1, 2, 3), eth(a, a))
	f.Add(eth(broadcast, a), eth(b, a))
	f.Add(eth(mac{0x01, 0x80, 0xc2, 0, 0, 14}, a), eth(mac{0x33, 0x33, 0, 0, 0, 1}, b))
	f.Add([]byte{}, make([]byte, maxFrame+1))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		fabric := newFabric()
		var ports [3]*port
		var machines [3]locked
		for i, name := range []string{"a", "b", "c"} {
			ports[i] = fabric.add(name, &machines[i])
		}
		fabric.forward(ports[1], eth(a, b))
		forwarded := [][]byte{eth(a, b), first, second}
		fabric.forward(ports[0], first)
		fabric.forward(ports[0], second)
		if got := len(machines[0].all()); got != 1 {
			t.Errorf("a hears %d frames, want b's only", got)
		}
		sent := ports[0].sent.read().Frames - ports[0].dropped.Load()
		for i, p := range ports[1:] {
			got := machines[i+1].all()
			if n := p.received.read().Frames; n != uint64(len(got)) || n > sent+1 {
				t.Errorf("%s got %d frames, counted %d, of %d that are good", p.name, len(got), n, sent+1)
			}
			for _, frame := range got {
				if !slices.ContainsFunc(forwarded, func(f []byte) bool { return bytes.Equal(f, frame) }) || len(frame) < headerSize || len(frame) > maxFrame {
					t.Errorf("%s hears %x", p.name, frame)
				}
			}
		}
	})
}

// TestGarbage sends "outside" what nearly is right: requests of all kinds with
// a few bytes changed. It must survive, and still do its work.
func TestGarbage(t *testing.T) {
	gateway := netip.MustParsePrefix("192.0.2.1/24")
	f := newFabric()
	h, err := newHost(f, []netip.Prefix{gateway, netip.MustParsePrefix("2001:db8::1/64")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	l, err := newLeases(Config{Gateways: []netip.Prefix{gateway}})
	if err == nil {
		err = h.serveDHCP(l)
	}
	if err != nil {
		t.Fatal(err)
	}
	machine := &locked{}
	from := f.add("a", machine)
	good := requests(t, derive("a"), gateway.Addr())
	random := rand.New(rand.NewPCG(1, 2)) // always the same
	for range 20000 {
		frame := slices.Clone(good[random.IntN(len(good))])
		for range random.IntN(4) {
			frame[random.IntN(len(frame))] = byte(random.Uint32())
		}
		f.forward(from, frame[:len(frame)-random.IntN(len(frame))])
	}
	for i, frame := range good {
		machine.forget()
		f.forward(from, frame)
		for end := time.Now().Add(10 * time.Second); len(machine.all()) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("request %d is not answered any more", i)
			}
		}
	}
}

// FuzzAnswer has the DHCP server read what a machine may send.
func FuzzAnswer(f *testing.F) {
	own := derive("a")
	discover, err := dhcpv4.NewDiscovery(own[:])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(discover.ToBytes())
	l, err := newLeases(testConfig)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		request, err := dhcpv4.FromBytes(b)
		if err != nil {
			return
		}
		reply := l.answer(request)
		if reply == nil {
			return
		}
		if _, err := dhcpv4.FromBytes(reply.ToBytes()); err != nil {
			t.Errorf("the answer to %x cannot be read: %v", b, err)
		}
		if a, ok := netip.AddrFromSlice(reply.YourIPAddr.To4()); ok && !a.IsUnspecified() {
			if _, ok := l.network(a); !ok {
				t.Errorf("it gives out %s", a)
			}
		}
	})
}
