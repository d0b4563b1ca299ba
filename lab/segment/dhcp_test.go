package segment

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

var testConfig = Config{
	Gateways: []netip.Prefix{netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("192.0.2.1/28"), netip.MustParsePrefix("198.51.100.1/24")},
	Leases:   map[string]netip.Addr{"02:00:00:00:00:0A": netip.MustParseAddr("192.0.2.10"), "02:00:00:00:00:0b": netip.MustParseAddr("198.51.100.11")},
	DNS:      []netip.Addr{netip.MustParseAddr("192.0.2.5")},
}

func request(t *testing.T, hw string, with ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	addr, err := net.ParseMAC(hw)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(addr)}, with...)...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asks(kind dhcpv4.MessageType) dhcpv4.Modifier { return dhcpv4.WithMessageType(kind) }

func wants(ip string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
}

func via(server string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(server)))
}

func TestAnswer(t *testing.T) {
	l, err := newLeases(testConfig)
	if err != nil {
		t.Fatal(err)
	}
	const a, b = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
	discover, ask := asks(dhcpv4.MessageTypeDiscover), asks(dhcpv4.MessageTypeRequest)
	for what, c := range map[string]struct {
		request *dhcpv4.DHCPv4
		want    string // type, address, router
	}{
		"first":            {request(t, a, discover), "OFFER 192.0.2.10 192.0.2.1"},
		"another network":  {request(t, b, discover), "OFFER 198.51.100.11 198.51.100.1"},
		"wish":             {request(t, a, discover, wants("192.0.2.11")), "OFFER 192.0.2.10 192.0.2.1"},
		"takes offer":      {request(t, a, ask, wants("192.0.2.10"), via("192.0.2.1")), "ACK 192.0.2.10 192.0.2.1"},
		"after a reboot":   {request(t, a, ask, wants("192.0.2.10")), "ACK 192.0.2.10 192.0.2.1"},
		"renews":           {request(t, a, ask, dhcpv4.WithClientIP(net.IPv4(192, 0, 2, 10))), "ACK 192.0.2.10 192.0.2.1"},
		"another's":        {request(t, a, ask, wants("198.51.100.11")), "NAK 0.0.0.0 "},
		"no address":       {request(t, a, ask), "NAK 0.0.0.0 "},
		"another server":   {request(t, a, ask, wants("192.0.2.10"), via("192.0.2.3")), ""},
		"has an address":   {request(t, a, asks(dhcpv4.MessageTypeInform)), "ACK 0.0.0.0 192.0.2.1"},
		"release":          {request(t, a, asks(dhcpv4.MessageTypeRelease)), ""},
		"decline":          {request(t, a, asks(dhcpv4.MessageTypeDecline), wants("192.0.2.10")), ""},
		"a relay":          {request(t, a, discover, dhcpv4.WithGatewayIP(net.IPv4(192, 0, 2, 3))), ""},
		"a reply":          {request(t, a, discover, func(p *dhcpv4.DHCPv4) { p.OpCode = dhcpv4.OpcodeBootReply }), ""},
		"BOOTP":            {request(t, a), ""},
		"group address":    {request(t, "03:00:00:00:00:0a", discover), ""},
		"not Ethernet":     {request(t, "02:00:00:00:00:00:00:0a", discover), ""},
		"no MAC address":   {request(t, a, discover, func(p *dhcpv4.DHCPv4) { p.ClientHWAddr = nil }), ""},
		"client id is new": {request(t, a, discover, dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte("x")))), "OFFER 192.0.2.10 192.0.2.1"},
	} {
		reply := l.answer(c.request)
		got := ""
		if reply != nil {
			var routers []string
			for _, r := range reply.Router() {
				routers = append(routers, r.String())
			}
			got = reply.MessageType().String() + " " + reply.YourIPAddr.String() + " " + strings.Join(routers, " ")
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", what, got, c.want)
		}
	}
	reply := l.answer(request(t, a, discover))
	if ones, _ := reply.SubnetMask().Size(); ones != 28 || reply.IPAddressLeaseTime(0) != leaseTime ||
		len(reply.DNS()) != 1 || reply.DNS()[0].String() != "192.0.2.5" || reply.ServerIdentifier().String() != "192.0.2.1" {
		t.Errorf("got %s", reply.Summary())
	}
}

// TestPool has more machines without leases than there are addresses.
func TestPool(t *testing.T) {
	l, err := newLeases(testConfig)
	if err != nil {
		t.Fatal(err)
	}
	first := map[mac]netip.Addr{}
	seen := map[netip.Addr]bool{}
	for n := range 30 {
		m := station48(n + 100)
		a, ok := l.of(m)
		if !ok {
			continue
		}
		first[m] = a
		if network, ok := l.network(a); seen[a] || !ok || network.Masked() != netip.MustParsePrefix("192.0.2.0/28") {
			t.Errorf("%s got %s", m, a)
		}
		seen[a] = true
	}
	// 16, less network, broadcast, gateway, name server and lease.
	if len(first) != 11 {
		t.Errorf("%d addresses were given: %v", len(first), seen)
	}
	for m, a := range first {
		if again, ok := l.of(m); !ok || again != a {
			t.Errorf("%s got %s, and then %s", m, a, again)
		}
	}
	other, err := newLeases(testConfig)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		m := station48(n + 100)
		if a, ok := other.of(m); !ok || a != first[m] {
			t.Errorf("%s got %s, and in another segment %s", m, first[m], a)
		}
	}
}

func TestLeasesRefuse(t *testing.T) {
	ip := netip.MustParseAddr
	for want, c := range map[string]Config{
		`"x" is not the MAC`:                  {Leases: map[string]netip.Addr{"x": ip("192.0.2.10")}},
		`"01:00:00:00:00:01" is not`:          {Leases: map[string]netip.Addr{"01:00:00:00:00:01": ip("192.0.2.10")}},
		`203.0.113.1 is in no IPv4 network`:   {Leases: map[string]netip.Addr{"02:00:00:00:00:01": ip("203.0.113.1")}},
		`192.0.2.15 is in no IPv4 network`:    {Leases: map[string]netip.Addr{"02:00:00:00:00:01": ip("192.0.2.15")}},
		`2001:db8::2 is in no IPv4 network`:   {Leases: map[string]netip.Addr{"02:00:00:00:00:01": ip("2001:db8::2")}},
		`192.0.2.1 has been given already`:    {Leases: map[string]netip.Addr{"02:00:00:00:00:01": ip("192.0.2.1")}},
		`192.0.2.3 has been given already`:    {Leases: map[string]netip.Addr{"02:00:00:00:00:01": ip("192.0.2.3"), "02:00:00:00:00:02": ip("192.0.2.3")}},
		`spelled in two ways`:                 {Leases: map[string]netip.Addr{"02:00:00:00:00:0a": ip("192.0.2.3"), "02:00:00:00:00:0A": ip("192.0.2.4")}},
		`name server "::1" is no IPv4`:        {DNS: []netip.Addr{ip("::1")}},
		`gateway "192.0.2.0/24" is no host's`: {Gateways: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		`gateway "invalid Prefix" is no`:      {Gateways: []netip.Prefix{{}}},
	} {
		if c.Gateways == nil {
			c.Gateways = testConfig.Gateways
		}
		c.Dir = t.TempDir()
		s, err := Start(t.Context(), c)
		if err == nil {
			t.Errorf("%s: it is accepted", want)
			_ = s.Close()
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := Start(t.Context(), Config{Gateways: testConfig.Gateways}); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("got %v", err)
	}
}
