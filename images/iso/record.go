package iso

import (
	"encoding/binary"
	"time"
)

// Sizes of records without their names, in bytes.
const (
	folderRecord = 33 // 9.1
	pathRecord   = 8  // 9.4
)

// Flags of a record (9.1.6).
const (
	flagFolder = 1 << 1
	flagMore   = 1 << 7 // another section of the file follows
)

// maxSection is the most that a record has of a file: whole sectors below 4 GiB.
const maxSection = 1<<32 - SectorSize

// firstYear is the 0 of a record's years (9.1.5).
const firstYear = 1900

// both32 and both16 append a number in both orders of bytes (7.2.3, 7.3.3).
func both32(b []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, v), v)
}

func both16(b []byte, v uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, v), v)
}

// record is a directory record.
func record(id string, offset, size int64, flags byte, t time.Time) []byte {
	t = t.UTC()
	length := folderRecord + len(id)
	length += length % 2
	b := make([]byte, 0, length)
	b = append(b, byte(length), 0)
	b = both32(b, uint32(offset/SectorSize))
	b = both32(b, uint32(size))
	b = append(b, byte(t.Year()-firstYear), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0)
	b = append(b, flags, 0, 0)
	b = both16(b, 1) // of the volumes of a set
	b = append(b, byte(len(id)))
	b = append(b, id...)
	return b[:length]
}

// records are those of a file or folder: one, or one for each section.
func (n *node) records(t time.Time) [][]byte {
	if n.folder() {
		return [][]byte{record(n.id, n.offset, n.size, flagFolder, t)}
	}
	if n.size == 0 {
		return [][]byte{record(n.id, 0, 0, 0, t)}
	}
	var out [][]byte
	for at := int64(0); at < n.size; at += maxSection {
		size, flags := min(maxSection, n.size-at), byte(0)
		if at+size < n.size {
			flags = flagMore
		}
		out = append(out, record(n.id, n.offset+at, size, flags, t))
	}
	return out
}

// body is the content of a folder: itself, the folder above, and what is in it. A
// record does not go over the end of a sector (6.8.1.1).
func (n *node) body(t time.Time) []byte {
	var b []byte
	add := func(r []byte) {
		if used := len(b) % SectorSize; used+len(r) > SectorSize {
			b = append(b, make([]byte, SectorSize-used)...)
		}
		b = append(b, r...)
	}
	add(record("\x00", n.offset, n.size, flagFolder, t))
	add(record("\x01", n.parent.offset, n.parent.size, flagFolder, t))
	for _, c := range n.children {
		for _, r := range c.records(t) {
			add(r)
		}
	}
	return b
}

// length is the size of a folder, in bytes. It does not depend on where things
// are, nor how large they are but by the number of sections.
func (n *node) length() int64 {
	for _, c := range n.children {
		if c.content != nil {
			c.size = c.content.Size()
		}
	}
	return sectors(int64(len(n.body(time.Unix(0, 0))))) * SectorSize
}

// pathTable lists the folders in one order of bytes.
func (v *volume) pathTable(order binary.AppendByteOrder) []byte {
	var b []byte
	for _, f := range v.folders {
		b = append(b, byte(len(f.id)), 0)
		b = order.AppendUint32(b, uint32(f.offset/SectorSize))
		b = order.AppendUint16(b, uint16(f.parent.number))
		b = append(b, f.id...)
		b = append(b, make([]byte, len(f.id)%2)...)
	}
	return b
}
