package serve

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Machine is what a machine says of itself when it asks for its script. All of
// it can be imitated.
type Machine struct {
	MAC    string // of the interface that it starts from, as 52:54:00:12:34:56; may be empty
	Serial string // of the maker (SMBIOS), as it stands there; may be empty
	UUID   string // of the machine (SMBIOS), in lower case; may be empty
}

// Names of the values in a query.
const (
	queryMAC    = "mac"
	querySerial = "serial"
	queryUUID   = "uuid"
)

// maxSerial bounds a serial number, in bytes: SMBIOS strings are short.
const maxSerial = 64

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// noUUID is that of machines that have none.
const noUUID = "00000000-0000-0000-0000-000000000000"

// ParseMAC reads a MAC address of 48 bits, with colons or hyphens, and gives it
// in lower case with colons.
func ParseMAC(s string) (string, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 || strings.Contains(s, ".") {
		return "", fmt.Errorf("%q is not a MAC address (such as 52:54:00:12:34:56)", s)
	}
	if mac[0]&1 != 0 {
		return "", fmt.Errorf("%q is the MAC address of a group", s)
	}
	if mac.String() == "00:00:00:00:00:00" {
		return "", fmt.Errorf("%q is the MAC address of no interface", s)
	}
	return mac.String(), nil
}

// ParseSerial reads a serial number or UUID of a machine. A UUID is given in
// lower case.
func ParseSerial(s string) (string, error) {
	if s = strings.TrimSpace(s); s == "" {
		return "", errors.New("a serial number is empty")
	}
	if len(s) > maxSerial {
		return "", fmt.Errorf("a serial number has %d bytes, at most %d", len(s), maxSerial)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("serial number %q has other than printable ASCII", s)
	}
	if lower := strings.ToLower(s); uuidPattern.MatchString(lower) {
		return lower, nil
	}
	return s, nil
}

// parseMachine reads what a machine says of itself. One value at least is
// there. A serial number that nobody can have given is as none.
func parseMachine(query url.Values) (Machine, error) {
	var m Machine
	var err error
	if s := query.Get(queryMAC); s != "" {
		if m.MAC, err = ParseMAC(s); err != nil {
			return Machine{}, err
		}
	}
	if s := strings.TrimSpace(query.Get(querySerial)); s != "" {
		if m.Serial, err = ParseSerial(s); err != nil {
			m.Serial = ""
		}
	}
	if s := query.Get(queryUUID); s != "" {
		if m.UUID = strings.ToLower(s); !uuidPattern.MatchString(m.UUID) {
			return Machine{}, fmt.Errorf("%q is not a UUID", s)
		}
		if m.UUID == noUUID {
			m.UUID = ""
		}
	}
	if m == (Machine{}) {
		return Machine{}, errors.New("neither mac nor serial nor uuid is given")
	}
	return m, nil
}

// query is what parseMachine reads.
func (m Machine) query() string {
	v := url.Values{}
	for name, value := range map[string]string{queryMAC: strings.ReplaceAll(m.MAC, ":", "-"), querySerial: m.Serial, queryUUID: m.UUID} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

// String is for people.
func (m Machine) String() string {
	var words []string
	if m.MAC != "" {
		words = append(words, "MAC "+m.MAC)
	}
	if m.Serial != "" {
		words = append(words, fmt.Sprintf("serial number %q", m.Serial))
	}
	if m.UUID != "" {
		words = append(words, "UUID "+m.UUID)
	}
	return strings.Join(words, ", ")
}
