package segment_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab/segment"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// quiet is how long to wait for what should not come.
const quiet = 50 * time.Millisecond

// gets expects a frame and no other.
func (w *wire) gets(what string, want []byte) {
	w.t.Helper()
	if got := w.read(soon); !bytes.Equal(got, want) {
		w.t.Errorf("%s: got %x, want %x", what, got, want)
	}
	w.hears(what)
}

// hears expects no frame.
func (w *wire) hears(what string) {
	w.t.Helper()
	if got := w.read(quiet); got != nil {
		w.t.Errorf("%s: got %x, want nothing", what, got)
	}
}

func counter(t testing.TB, s *segment.Segment, name string) segment.Counter {
	t.Helper()
	for _, c := range s.Counters() {
		if c.Port == name {
			return c
		}
	}
	t.Fatalf("no port %q in %v", name, s.Counters())
	return segment.Counter{}
}

// addressed replaces the first bytes of a frame.
func addressed(f []byte, to string) []byte {
	hw, err := net.ParseMAC(to)
	if err != nil {
		panic(err)
	}
	return append(hw, f[6:]...)
}

func TestSwitch(t *testing.T) {
	s := start(t, segment.Config{})
	a, b, c := plug(t, s, "a"), plug(t, s, "b"), plug(t, s, "c")

	f := frame("b", "a", 60)
	a.write(f)
	b.gets("unknown, to b", f)
	c.gets("unknown, to c", f)
	a.hears("own frame")

	f = frame("a", "b", 60)
	b.write(f)
	a.gets("learned from a's frame", f)
	c.hears("between others")

	f = frame("b", "a", 9018)
	a.write(f)
	b.gets("jumbo", f)
	c.hears("learned from b's frame")

	for _, to := range []string{"ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "01:80:c2:00:00:10"} {
		f = addressed(f, to)
		a.write(f)
		b.gets(to, f)
		c.gets(to, f)
		a.hears(to)
	}
	a.write(addressed(f, "01:80:c2:00:00:0e")) // LLDP
	b.hears("what bridges do not forward")

	a.write(frame("a", "a", 60)) // as it would be with a bridge behind the port
	b.hears("from a to a")
	a.hears("from a to a")

	f = frame("a", "b", 60)
	copy(f[6:], frame("a", "c", 60)[6:12]) // now b has c's address
	b.write(f)
	a.gets("from b, as c", f)
	f = frame("c", "a", 60)
	a.write(f)
	b.gets("c has moved to b", f)
	c.hears("c has moved to b")
}

func TestBadFrames(t *testing.T) {
	s := start(t, segment.Config{})
	a, b := plug(t, s, "a"), plug(t, s, "b")
	group := frame("b", "a", 60)
	group[6] |= 1
	nobody := frame("b", "a", 60)
	copy(nobody[6:12], make([]byte, 6))
	bad := [][]byte{{}, {1}, make([]byte, 13), group, nobody, frame("b", "a", 9019), frame("b", "a", 65000)}
	for _, f := range bad {
		a.write(f)
	}
	f := frame("b", "a", 14)
	a.write(f)
	b.gets("the shortest frame, after bad ones", f)
	got := counter(t, s, "a")
	if want := uint64(len(bad)); got.Dropped != want || got.Sent.Frames != want+1 {
		t.Errorf("got %+v, want %d dropped and %d sent", got, want, want+1)
	}
	if got := counter(t, s, "b"); got.Dropped != 0 || got.Received != (segment.Traffic{Frames: 1, Bytes: 14}) {
		t.Errorf("got %+v, want 1 frame of 14 bytes received", got)
	}
}

// TestOutsideIsNotTaken has a machine that says that it is "outside".
func TestOutsideIsNotTaken(t *testing.T) {
	s := start(t, segment.Config{})
	g := boot(t, s, "a", "192.0.2.10/24")
	g.echo(80)
	says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "before")
	// The segment's own host tells its address to whoever asks.
	liar := plug(t, s, "b")
	liar.write(arpRequest("b", "192.0.2.66", "192.0.2.1"))
	answer := liar.read(soon)
	if answer == nil {
		t.Fatal("the gateway does not answer ARP")
	}
	f := frame("a", "b", 60)
	copy(f[6:], answer[6:12])
	liar.write(f)
	for range 20 {
		says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "after")
	}
}

// arpRequest asks who has an address (RFC 826).
func arpRequest(from, fromIP, wanted string) []byte {
	f := addressed(frame(from, from, 14+header.ARPSize), "ff:ff:ff:ff:ff:ff")
	binary.BigEndian.PutUint16(f[12:], uint16(header.ARPProtocolNumber))
	arp := header.ARP(f[14:])
	arp.SetIPv4OverEthernet()
	arp.SetOp(header.ARPRequest)
	copy(arp.HardwareAddressSender(), f[6:12])
	copy(arp.ProtocolAddressSender(), netip.MustParseAddr(fromIP).AsSlice())
	copy(arp.ProtocolAddressTarget(), netip.MustParseAddr(wanted).AsSlice())
	return f
}

// TestPowerCycle has a machine whose socket goes and comes back.
func TestPowerCycle(t *testing.T) {
	s := start(t, segment.Config{})
	a, b := plug(t, s, "a"), plug(t, s, "b")
	there, back := frame("b", "a", 100), frame("a", "b", 100)
	b.write(back)
	a.gets("before", back)
	a.write(there)
	b.gets("before", there)
	b.unplug()
	for range 10 {
		a.write(there) // nobody cares
	}
	wait(t, "drops", func() bool { return counter(t, s, "b").Dropped >= 10 })

	b = plug(t, s, "b")
	a.write(there)
	b.gets("it is back, and is spoken to", there)
	b.unplug()
	b = plug(t, s, "b")
	b.write(back)
	a.gets("it is back, and speaks", back)
	a.write(there)
	b.gets("and is answered", there)
}

// wait waits for something to become true.
func wait(t testing.TB, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !yes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting for %s", what)
		}
	}
}

// TestFull has a machine that does not read, which is nobody else's trouble.
func TestFull(t *testing.T) {
	s := start(t, segment.Config{})
	a, b, c := plug(t, s, "a"), plug(t, s, "b"), plug(t, s, "c")
	f := addressed(frame("b", "a", 60), "ff:ff:ff:ff:ff:ff")
	a.write(f)
	b.gets("a is known", f)
	c.gets("a is known", f)
	for name, w := range map[string]*wire{"b": b, "c": c} {
		f := frame("a", name, 60)
		w.write(f)
		a.gets(name+" is known", f)
	}
	const sent = 2000
	for i := range sent {
		f := frame("b", "a", 64)
		f[14], f[15] = byte(i>>8), byte(i)
		a.write(f)
	}
	f = frame("c", "a", 60)
	a.write(f)
	c.gets("c reads", f)
	lost := counter(t, s, "b").Dropped
	if lost == 0 || lost > sent-1024 {
		t.Errorf("%d of %d frames were lost, of which 1024 find room", lost, sent)
	}
	for i := range sent - int(lost) {
		if got := b.read(soon); got == nil || got[14] != byte(i>>8) || got[15] != byte(i) {
			t.Fatalf("frame %d is %x", i, got)
		}
	}
	b.hears("all was read")
	a.write(addressed(f, segment.MAC("test", "b")))
	b.gets("it reads again", addressed(f, segment.MAC("test", "b")))
}

// TestFullAndGone has a machine that ends while frames wait for it.
func TestFullAndGone(t *testing.T) {
	s := start(t, segment.Config{})
	a, b := plug(t, s, "a"), plug(t, s, "b")
	for range 200 {
		a.write(frame("b", "a", 1000))
	}
	wait(t, "frames to arrive", func() bool { return counter(t, s, "a").Sent.Frames == 200 })
	b.unplug()
	wait(t, "frames to be dropped", func() bool { return counter(t, s, "b").Dropped >= 100 })
	b = plug(t, s, "b")
	f := frame("b", "a", 61)
	a.write(f)
	b.gets("it is back", f)
}
