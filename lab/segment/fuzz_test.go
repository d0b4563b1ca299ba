package segment

import (
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// FuzzFrame has a machine send two frames of its choice, one after the other:
// to another machine, and to the stack of "outside". What others get is what
// was sent or what "outside" says; none gets what it sent itself.
func FuzzFrame(f *testing.F) {
	gateway := netip.MustParsePrefix("192.0.2.1/24")
	own := derive("a")
	eth := func(to mac, kind uint16, payload []byte) []byte {
		b := append(append(to[:], own[:]...), byte(kind>>8), byte(kind))
		return append(b, payload...)
	}
	arp := make(header.ARP, header.ARPSize)
	arp.SetIPv4OverEthernet()
	arp.SetOp(header.ARPRequest)
	copy(arp.HardwareAddressSender(), own[:])
	copy(arp.ProtocolAddressSender(), []byte{192, 0, 2, 10})
	copy(arp.ProtocolAddressTarget(), gateway.Addr().AsSlice())
	ask := eth(broadcast, uint16(header.ARPProtocolNumber), arp)

	discover, err := dhcpv4.NewDiscovery(own[:])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ask, eth(derive(Outside), 0x0800, packet(discover.ToBytes(), [4]byte{192, 0, 2, 1})))
	f.Add(ask, eth(broadcast, 0x0800, packet(discover.ToBytes(), [4]byte{255, 255, 255, 255})))
	f.Add(eth(mac{0x33, 0x33, 0, 0, 0, 1}, 0x86dd, make([]byte, 60)), eth(derive("b"), 0x88b5, nil))
	f.Add([]byte{}, make([]byte, maxFrame+1))

	f.Fuzz(func(t *testing.T, first, second []byte) {
		fabric := newFabric()
		host, err := newHost(fabric, []netip.Prefix{gateway})
		if err != nil {
			t.Fatal(err)
		}
		defer host.close()
		l, err := newLeases(Config{Gateways: []netip.Prefix{gateway}})
		if err == nil {
			err = host.serveDHCP(l)
		}
		if err != nil {
			t.Fatal(err)
		}
		a, b := &locked{}, &locked{}
		from, to := fabric.add("a", a), fabric.add("b", b)
		for _, frame := range [][]byte{first, second} {
			fabric.forward(from, frame)
		}
		ours := derive(Outside)
		for _, frame := range a.all() {
			if mac(frame[6:12]) != ours {
				t.Errorf("it hears %x, which is not of \"outside\"", frame)
			}
		}
		if sent := to.received.read().Frames; sent < uint64(len(b.all())) {
			t.Errorf("b got %d frames, of which %d are counted", len(b.all()), sent)
		}
		for _, frame := range b.all() {
			if s := string(frame); s != string(first) && s != string(second) && mac(frame[6:12]) != ours {
				t.Errorf("b hears %x, which nobody has sent", frame)
			}
		}
	})
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
