package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// MinValue is the least length of a secret's value in bytes. Less might be
// found by chance.
const MinValue = 16

// needle is a byte string that gives a secret away.
type needle struct {
	bytes  []byte
	secret string
}

// maxForm is how much of a value is looked for, in bytes: what is unlike any
// other, but is not often broken into lines when it is written as text.
const maxForm = 32

// minNeedle is the least length of a needle in bytes: wherever it lies, eight
// bytes of it are at a position that is divisible by eight.
const minNeedle = 15

// values finds needles by eight of their bytes.
type values struct {
	shift  int
	table  []uint64
	places map[uint64][]needlePlace
}

type needlePlace struct {
	needle *needle
	offset int
}

func newValues(secrets []Secret) (*values, error) {
	var needles []needle
	for _, s := range secrets {
		if len(s.Value) < MinValue {
			return nil, fmt.Errorf("secret %s: its value has %d bytes, fewer than %d", s.Name, len(s.Value), MinValue)
		}
		for _, b := range forms(s.Value) {
			needles = append(needles, needle{b, s.Name})
		}
	}
	size := log2(8 * len(needles))
	v := &values{shift: 64 - size, table: make([]uint64, 1<<size/64), places: make(map[uint64][]needlePlace, 8*len(needles))}
	for i := range needles {
		for offset := range 8 {
			window := binary.LittleEndian.Uint64(needles[i].bytes[offset:])
			v.places[window] = append(v.places[window], needlePlace{&needles[i], offset})
			slot := window * golden64 >> v.shift
			v.table[slot/64] |= 1 << (slot % 64)
		}
	}
	return v, nil
}

// golden64 is 2^64 divided by the golden ratio, as in spread32.
const golden64 = 0x9e3779b97f4a7c15

// search tells the name of each secret of which data has a form.
func (v *values) search(data []byte, found func(secret string)) {
	if len(v.places) == 0 {
		return
	}
	for i := 0; i+8 <= len(data); i += 8 {
		window := binary.LittleEndian.Uint64(data[i:])
		slot := window * golden64 >> v.shift
		if v.table[slot/64]&(1<<(slot%64)) == 0 {
			continue
		}
		for _, p := range v.places[window] {
			if start := i - p.offset; start >= 0 && bytes.HasPrefix(data[start:], p.needle.bytes) {
				found(p.needle.secret)
			}
		}
	}
}

// forms are byte strings of which at least one is in any text that has a value
// as it is, in hexadecimal, or in Base64 that may be broken into lines and that
// may begin before the value.
func forms(value []byte) [][]byte {
	if over := len(value) - maxForm; over > 0 { // of texts, the beginning is often alike
		value = value[over/2 : over/2+maxForm]
	}
	out := [][]byte{value}
	h := hex.EncodeToString(value)
	out = append(out, halves(h)...)
	if upper := strings.ToUpper(h); upper != h {
		out = append(out, halves(upper)...)
	}
	for before := range 3 {
		// The characters that the value alone decides about, with so many bytes
		// before it in its group of three.
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), value...))
		text = text[[]int{0, 2, 3}[before] : (len(value)+before)*8/6]
		out = append(out, halves(text)...)
		url := strings.NewReplacer("+", "-", "/", "_").Replace(text)
		if url != text {
			out = append(out, halves(url)...)
		}
	}
	return out
}

// halves cuts a text in two, one of which is whole where a single end of a line
// is within it, if they are long enough.
func halves(text string) [][]byte {
	if half := len(text) / 2; half >= minNeedle {
		return [][]byte{[]byte(text[:half]), []byte(text[half:])}
	}
	return [][]byte{[]byte(text)}
}
