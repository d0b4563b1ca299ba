package configiso

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// plainNames are the names of ECMA-119 alone.
type plainNames struct{}

func (plainNames) name(_ *disk, r record) (string, record, error) {
	return plainName(r.id), r, nil
}

// plainName turns an identifier into what Linux shows, by the rules of
// isofs_name_translate in fs/isofs/dir.c: lower case; nothing from a zero byte
// on; no ";1" and ".;1" at the end; other semicolons and slashes become dots.
func plainName(id string) string {
	id, _, _ = strings.Cut(id, "\x00")
	name := []byte(id)
	for i, c := range name {
		switch rest := id[i:]; {
		case rest == ";1" || rest == ".;1":
			return string(name[:i])
		case c == ';' || c == '/':
			name[i] = '.'
		case c >= 'A' && c <= 'Z':
			name[i] |= 0x20
		}
	}
	return string(name)
}

// jolietNames are names in big-endian UCS-2, of a tree of their own.
type jolietNames struct{}

// name follows get_joliet_filename in fs/isofs/joliet.c: no ";1" at the end and
// no dots before it.
func (jolietNames) name(_ *disk, r record) (string, record, error) {
	name := strings.TrimSuffix(fromUCS2(r.id), ";1")
	if trimmed := strings.TrimRight(name, "."); trimmed != "" {
		name = trimmed
	}
	return name, r, nil
}

// isJoliet reports whether a supplementary descriptor has one of the three
// escape sequences of UCS-2 (Joliet specification, "SVD Escape Sequences").
func isJoliet(descriptor []byte) bool {
	switch string(descriptor[88:91]) {
	case "%/@", "%/C", "%/E":
		return true
	}
	return false
}

// fromUCS2 decodes big-endian characters; a last odd byte is dropped.
func fromUCS2(s string) string {
	units := make([]uint16, len(s)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16([]byte(s[2*i:]))
	}
	return string(utf16.Decode(units))
}

// mergeLabel makes the label that libblkid, and so udev, reports for a volume
// with Joliet (util-linux 2.38, superblocks/iso9660.c). Joliet's is cut after 16
// characters and the plain one may be in upper case only and without what ASCII
// cannot say, so each completes the other where they agree: underscores stand
// for anything, and lower case wins. Where they do not, Joliet's label holds.
func mergeLabel(plain, joliet string) string {
	merged := []rune{}
	rest := plain
	for _, j := range joliet {
		if rest == "" {
			return joliet
		}
		p := rune(rest[0])
		rest = rest[1:]
		switch {
		case p == '_':
			merged = append(merged, j)
		case j == '_':
			merged = append(merged, p)
		case upper(j) == upper(p):
			merged = append(merged, max(j, p)) // the lower case
		default:
			return joliet
		}
	}
	for i := range len(rest) {
		merged = append(merged, rune(rest[i]))
	}
	return string(merged)
}

// upper is the upper case of ASCII letters; it leaves all else alone.
func upper(r rune) rune {
	if r >= 'a' && r <= 'z' {
		r -= 'a' - 'A'
	}
	return r
}
