package segment

import (
	"crypto/sha256"
	"fmt"
	"net"
)

// mac is the address of a network interface (EUI-48).
type mac [6]byte

var broadcast = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// The two low bits of an address's first byte (IEEE 802, 8.2).
const (
	groupBit = 1 // broadcast and multicast
	localBit = 2 // not given by a manufacturer
)

func (m mac) group() bool { return m[0]&groupBit != 0 }

func (m mac) String() string { return net.HardwareAddr(m[:]).String() }

func parseMAC(s string) (mac, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(mac{}) || mac(hw).group() {
		return mac{}, fmt.Errorf("%q is not the MAC address of an interface", s)
	}
	return mac(hw), nil
}

// MAC returns the address for a network interface of a machine of a lab, such
// as "da:64:11:5b:21:04": always the same for the same names, for one machine,
// and of the range that is never given to devices.
func MAC(lab, machine string) string { return derive(lab + "\x00" + machine).String() }

func derive(name string) mac {
	sum := sha256.Sum256([]byte(name))
	m := mac(sum[:len(mac{})])
	m[0] = m[0]&^groupBit | localBit
	return m
}
