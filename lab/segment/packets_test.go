package segment_test

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

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
