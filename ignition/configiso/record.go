package configiso

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bits of a record's file flags (9.1.6).
const (
	flagFolder      = 1 << 1
	flagAssociated  = 1 << 2
	flagMultiExtent = 1 << 7
)

// recordHeader is the length of a directory record before its identifier, in
// bytes (9.1).
const recordHeader = 33

// rootRecord is where the root's record stands in a descriptor, and how long it
// is (8.4.18).
const rootRecord, rootRecordLength = 156, 34

// Identifiers of a folder's records of itself and of its parent (7.6.2).
const idSelf, idParent = "\x00", "\x01"

// record is one directory record (9.1). Its slices point into the sector that
// it was parsed from.
type record struct {
	size   int    // of the record itself, in bytes
	sector uint32 // first sector of the content
	length uint32 // of the content, in bytes
	stamp  []byte // recording date and time, 7 bytes
	flags  byte
	id     string
	use    []byte // system use field
}

func (r record) isFolder() bool { return r.flags&flagFolder != 0 }

// isDot reports whether the record is a folder's record of itself or its parent.
func (r record) isDot() bool { return r.id == idSelf || r.id == idParent }

// parseRecord reads the record at the start of b, which ends where the sector
// ends.
func parseRecord(b []byte) (record, error) {
	if len(b) <= recordHeader {
		return record{}, fmt.Errorf("only %d bytes are left for a directory record", len(b))
	}
	size, idLength := int(b[0]), int(b[32])
	switch {
	case size > len(b):
		return record{}, fmt.Errorf("record of %d bytes crosses the end of its sector", size)
	case idLength == 0 || recordHeader+idLength > size:
		return record{}, fmt.Errorf("record of %d bytes has an identifier of %d bytes", size, idLength)
	case b[26] != 0 || b[27] != 0:
		return record{}, errors.New("content is interleaved, which is not supported")
	}
	sector, err := both32(b[2:10])
	if err != nil {
		return record{}, fmt.Errorf("location of content: %w", err)
	}
	length, err := both32(b[10:18])
	if err != nil {
		return record{}, fmt.Errorf("length of content: %w", err)
	}
	attributes := uint32(b[1]) // sectors of an extended attribute record before the content
	if sector+attributes < sector {
		return record{}, fmt.Errorf("content is said to be at sector %d", sector)
	}
	id := string(b[recordHeader : recordHeader+idLength])
	use := min(recordHeader+idLength+1-idLength%2, size)
	return record{
		size:   size,
		sector: sector + attributes,
		length: length,
		stamp:  b[18:25],
		flags:  b[25],
		id:     id,
		use:    b[use:size],
	}, nil
}

// both32 reads a number that is recorded in both byte orders (7.3.3).
func both32(b []byte) (uint32, error) {
	little, big := binary.LittleEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if little != big {
		return 0, fmt.Errorf("the two copies of the number differ: %d and %d", little, big)
	}
	return little, nil
}

func putBoth32(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}
