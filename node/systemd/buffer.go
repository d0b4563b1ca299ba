package systemd

import (
	"encoding/binary"
	"io"
)

// buffer is a part of a message that begins aligned.
type buffer struct {
	bytes []byte
	at    int // where reading is
	err   error
}

func (b *buffer) align(to int) {
	for len(b.bytes)%to != 0 {
		b.bytes = append(b.bytes, 0)
	}
}

func (b *buffer) uint32(v uint32) {
	b.align(4)
	b.bytes = binary.LittleEndian.AppendUint32(b.bytes, v)
}

// text is a string or the path of an object.
func (b *buffer) text(s string) {
	b.uint32(uint32(len(s)))
	b.bytes = append(append(b.bytes, s...), 0)
}

func (b *buffer) skipTo(multiple int) { b.at = (b.at + multiple - 1) / multiple * multiple }

func (b *buffer) readUint32() uint32 {
	b.skipTo(4)
	if b.err != nil || b.at+4 > len(b.bytes) {
		b.err = io.ErrUnexpectedEOF
		return 0
	}
	v := binary.LittleEndian.Uint32(b.bytes[b.at:])
	b.at += 4
	return v
}

func (b *buffer) readText() string {
	n := int(b.readUint32())
	if b.err != nil || n < 0 || b.at+n+1 > len(b.bytes) {
		b.err = io.ErrUnexpectedEOF
		return ""
	}
	s := string(b.bytes[b.at : b.at+n])
	b.at += n + 1
	return s
}
