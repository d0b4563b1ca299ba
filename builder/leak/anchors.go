package leak

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// pattern is something that is recognised by how it begins.
type pattern struct {
	what   string
	anchor string // at least minAnchor bytes, of which no other is the beginning
	// match says whether what begins with the anchor is the thing. It sees at
	// least overlap bytes, or all that the file still has.
	match func(data []byte) bool
}

// minAnchor is the least length of an anchor: wherever it lies, four bytes of
// it are at a position that is divisible by four.
const minAnchor = 7

// anchorBits is the size of the table of beginnings, as a power of two: with
// some hundred of them set, it is small enough to be always at hand.
const anchorBits = 16

// anchors finds patterns.
type anchors struct {
	table  [1 << anchorBits / 64]uint64
	places map[uint32][]place
}

// place is where in which pattern's anchor four bytes are.
type place struct {
	pattern *pattern
	offset  int
}

func newAnchors(list []pattern) *anchors {
	a := &anchors{places: map[uint32][]place{}}
	for i := range list {
		p := &list[i]
		for offset := range 4 {
			window := binary.LittleEndian.Uint32([]byte(p.anchor[offset:]))
			a.places[window] = append(a.places[window], place{p, offset})
			slot := spread32(window)
			a.table[slot/64] |= 1 << (slot % 64)
		}
	}
	return a
}

// spread32 is multiplicative hashing by the golden ratio (Knuth, The Art of
// Computer Programming, volume 3, section 6.4).
func spread32(x uint32) uint32 { return x * 0x9e3779b1 >> (32 - anchorBits) }

// search tells of each pattern in data. Of a chunk that is not the last, what
// begins in the last bytes is left to the next.
func (a *anchors) search(data []byte, last bool, found func(what string)) {
	for i := 0; i+4 <= len(data); i += 4 {
		window := binary.LittleEndian.Uint32(data[i:])
		slot := spread32(window)
		if a.table[slot/64]&(1<<(slot%64)) == 0 {
			continue
		}
		for _, p := range a.places[window] {
			start := i - p.offset
			if start < 0 || !last && start > len(data)-overlap/2 {
				continue
			}
			if rest := data[start:]; bytes.HasPrefix(rest, []byte(p.pattern.anchor)) && p.pattern.match(rest[:min(len(rest), overlap/2)]) {
				found(p.pattern.what)
			}
		}
	}
}

// log2 is how many bits a table for n entries should have so that few others
// are taken for one.
func log2(n int) int { return min(max(bits.Len(uint(n))+6, 12), 24) }
