package boot

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Mode is what the kernel line asks for by ingot.boot=.
type Mode string

// The modes.
const (
	Auto    Mode = "auto" // as the identity says
	RunIt   Mode = "run"
	Install Mode = "install"
	Rescue  Mode = "rescue"
)

// line is what a kernel line says.
type line struct {
	text   string
	mode   Mode
	medium string // ingot.medium=: where the boot ISO is fetched from
	hashes [2]rootHash
}

// rootHash names a verified file system. Its halves are the GUIDs of its two
// partitions (Discoverable Partitions Specification).
type rootHash [32]byte

// parseLine reads a kernel line. Of words that are there twice the first
// counts, as in the scripts of the initrd.
func parseLine(text string) (*line, error) {
	l := &line{text: text}
	words := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		name, value, ok := strings.Cut(word, "=")
		if _, twice := words[name]; ok && !twice {
			words[name] = value
		}
	}
	l.medium = words["ingot.medium"]
	switch l.mode = Mode(words["ingot.boot"]); l.mode {
	case Auto, RunIt, Install, Rescue:
	case "":
		return nil, fmt.Errorf("reading the kernel line: it has no ingot.boot=")
	default:
		return nil, fmt.Errorf("reading the kernel line: ingot.boot=%s is unknown (%s, %s, %s, %s)", l.mode, Auto, RunIt, Install, Rescue)
	}
	for i, name := range []string{"ingot.root", "ingot.cluster"} {
		if n, err := hex.Decode(l.hashes[i][:], []byte(fit(words[name]))); err != nil || n != len(l.hashes[i]) {
			return nil, fmt.Errorf("reading the kernel line: it has no %s=HASH of 64 hexadecimal digits", name)
		}
	}
	return l, nil
}

// fit keeps what is too long for a hash from being decoded into one.
func fit(digits string) string {
	if len(digits) > 2*len(rootHash{}) {
		return ""
	}
	return digits
}

// guids are those of the partitions that the machine runs from.
func (l *line) guids() []guid {
	var out []guid
	for _, h := range l.hashes {
		out = append(out, guidOf(h[:16]), guidOf(h[16:]))
	}
	return out
}
