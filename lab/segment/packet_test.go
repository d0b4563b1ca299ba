package segment

import (
	"slices"
	"sync"

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

// packet is a DHCP client's IPv4 packet, with right checksums.
func packet(payload []byte, to [4]byte) []byte {
	size := header.IPv4MinimumSize + header.UDPMinimumSize + len(payload)
	b := make([]byte, size)
	ip := header.IPv4(b)
	source, destination := tcpip.AddrFrom4([4]byte{}), tcpip.AddrFrom4(to)
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(size), TTL: 64, Protocol: uint8(header.UDPProtocolNumber),
		SrcAddr: source, DstAddr: destination})
	ip.SetChecksum(^ip.CalculateChecksum())
	udp := header.UDP(ip.Payload())
	length := uint16(header.UDPMinimumSize + len(payload))
	udp.Encode(&header.UDPFields{SrcPort: dhcpv4.ClientPort, DstPort: dhcpv4.ServerPort, Length: length})
	copy(udp.Payload(), payload)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, source, destination, length)
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum)))
	return b
}
