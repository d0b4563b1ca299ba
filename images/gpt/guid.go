package gpt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// GUID is a globally unique identifier, in the order of its text form.
type GUID [16]byte

// String is the text form, in lower case.
func (g GUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
}

// ParseGUID reads the text form, in lower or upper case.
func ParseGUID(s string) (GUID, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err == nil && len(b) == len(GUID{}) {
		if g := GUID(b); strings.EqualFold(g.String(), s) {
			return g, nil
		}
	}
	return GUID{}, fmt.Errorf("parsing GUID %q: must be 32 hexadecimal digits as 8-4-4-4-12", s)
}

// Derive returns the identifier that belongs to a name under a seed: the start
// of a SHA-256 of both, marked as version 8 ("custom", RFC 9562, 5.8).
func Derive(seed []byte, name string) GUID {
	h := sha256.New()
	// The seed's length keeps seed and name apart.
	h.Write(binary.BigEndian.AppendUint64([]byte("ingot gpt guid\x00"), uint64(len(seed))))
	h.Write(seed)
	h.Write([]byte(name))
	g := GUID(h.Sum(nil)[:16])
	g[6] = g[6]&0x0f | 0x80
	g[8] = g[8]&0x3f | 0x80
	return g
}

// disk returns the form on disks: the first three fields are little-endian
// (UEFI Specification 2.10, Appendix A).
func (g GUID) disk() [16]byte {
	return [16]byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]}
}
