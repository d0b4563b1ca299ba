package segment

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// locked is a machine that keeps what it gets, from whichever goroutine.
type locked struct {
	mu     sync.Mutex
	frames [][]byte
}

func (l *locked) send(frame []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames = append(l.frames, slices.Clone(frame))
	return true
}

func (l *locked) all() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.frames)
}

func (l *locked) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames = nil
}

// requests are frames that "outside" answers: ARP, ping, a connection that it
// refuses, DHCP.
func requests(t *testing.T, own mac, gateway netip.Addr) [][]byte {
	t.Helper()
	eth := func(to mac, kind tcpip.NetworkProtocolNumber, payload []byte) []byte {
		return slices.Concat(to[:], own[:], []byte{byte(kind >> 8), byte(kind)}, payload)
	}
	me, server := [4]byte{192, 0, 2, 10}, gateway.As4()
	arp := make(header.ARP, header.ARPSize)
	arp.SetIPv4OverEthernet()
	arp.SetOp(header.ARPRequest)
	copy(arp.HardwareAddressSender(), own[:])
	copy(arp.ProtocolAddressSender(), me[:])
	copy(arp.ProtocolAddressTarget(), server[:])

	echo := make(header.ICMPv4, header.ICMPv4MinimumSize+20)
	echo.SetType(header.ICMPv4Echo)
	echo.SetChecksum(header.ICMPv4Checksum(echo, 0))

	syn := make(header.TCP, header.TCPMinimumSize)
	syn.Encode(&header.TCPFields{SrcPort: 1000, DstPort: 80, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 1000})
	syn.SetChecksum(^syn.CalculateChecksum(pseudo(header.TCPProtocolNumber, me, server, len(syn))))

	discover, err := dhcpv4.NewDiscovery(own[:])
	if err != nil {
		t.Fatal(err)
	}
	payload := discover.ToBytes()
	udp := make(header.UDP, header.UDPMinimumSize+len(payload))
	udp.Encode(&header.UDPFields{SrcPort: dhcpv4.ClientPort, DstPort: dhcpv4.ServerPort, Length: uint16(len(udp))})
	copy(udp.Payload(), payload)
	everyone := [4]byte{255, 255, 255, 255}
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, pseudo(header.UDPProtocolNumber, [4]byte{}, everyone, len(udp)))))

	us := derive(Outside)
	return [][]byte{
		eth(us, header.ARPProtocolNumber, arp),
		eth(us, header.IPv4ProtocolNumber, packet(header.ICMPv4ProtocolNumber, me, server, echo)),
		eth(us, header.IPv4ProtocolNumber, packet(header.TCPProtocolNumber, me, server, syn)),
		eth(broadcast, header.IPv4ProtocolNumber, packet(header.UDPProtocolNumber, [4]byte{}, everyone, udp)),
	}
}

func pseudo(kind tcpip.TransportProtocolNumber, from, to [4]byte, size int) uint16 {
	return header.PseudoHeaderChecksum(kind, tcpip.AddrFrom4(from), tcpip.AddrFrom4(to), uint16(size))
}

// packet puts an IPv4 header before a payload.
func packet(kind tcpip.TransportProtocolNumber, from, to [4]byte, payload []byte) []byte {
	ip := make(header.IPv4, header.IPv4MinimumSize+len(payload))
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(ip)), TTL: 64, Protocol: uint8(kind),
		SrcAddr: tcpip.AddrFrom4(from), DstAddr: tcpip.AddrFrom4(to)})
	ip.SetChecksum(^ip.CalculateChecksum())
	copy(ip.Payload(), payload)
	return ip
}
