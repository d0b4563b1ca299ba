package boot

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
)

// From the UEFI Specification 2.10: 5.3.2 (header), 5.3.3 (entries).
const (
	gptMagic      = "EFI PART"
	gptHeaderSize = 92
	gptEntrySize  = 128
	maxEntries    = 1024 // more than anybody makes
)

// guid is a GUID in its text form, lower case.
type guid string

// guidOf writes 16 bytes, the first digit first.
func guidOf(b []byte) guid {
	s := hex.EncodeToString(b)
	return guid(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:])
}

// diskGUID reads a GUID as disks have it: the first three fields little-endian
// (UEFI Specification 2.10, appendix A).
func diskGUID(b []byte) guid {
	return guidOf([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]})
}

// Table is a GUID partition table.
type Table struct {
	Disk    guid
	Entries []Entry
}

// Entry is a partition. First and Last are sectors, both in it.
type Entry struct {
	Number      int
	Label       string
	Type, GUID  guid
	First, Last uint64
}

// errNoTable says that there is no table, where a damaged one is another error.
var errNoTable = errors.New("no GUID partition table")

// readTable reads the first table of a disk whose sectors have so many bytes.
func readTable(r io.ReaderAt, sector int) (*Table, error) {
	header := make([]byte, gptHeaderSize)
	if _, err := r.ReadAt(header, int64(sector)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading partition table: %w", err)
	}
	if string(header[:8]) != gptMagic {
		return nil, errNoTable
	}
	sum := binary.LittleEndian.Uint32(header[16:])
	plain := slices.Clone(header)
	clear(plain[16:20])
	count, size := binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:])
	start := binary.LittleEndian.Uint64(header[72:])
	switch {
	case binary.LittleEndian.Uint32(header[12:]) != gptHeaderSize || crc32.ChecksumIEEE(plain) != sum:
		return nil, errors.New("reading partition table: its header is damaged")
	case size != gptEntrySize || count > maxEntries || start > 1<<40:
		return nil, fmt.Errorf("reading partition table: %d entries of %d bytes at sector %d are not what tables have", count, size, start)
	}
	entries := make([]byte, int(count)*gptEntrySize)
	if n, err := r.ReadAt(entries, int64(start)*int64(sector)); n < len(entries) {
		return nil, fmt.Errorf("reading partition table: %w", err)
	}
	if crc32.ChecksumIEEE(entries) != binary.LittleEndian.Uint32(header[88:]) {
		return nil, errors.New("reading partition table: its entries are damaged")
	}
	t := &Table{Disk: diskGUID(header[56:])}
	for i := range int(count) {
		if e, used := readEntry(entries[i*gptEntrySize:]); used {
			e.Number = i + 1
			t.Entries = append(t.Entries, e)
		}
	}
	return t, nil
}

func readEntry(b []byte) (e Entry, used bool) {
	e.Type, e.GUID = diskGUID(b), diskGUID(b[16:])
	e.First, e.Last = binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:])
	units := make([]uint16, 0, 36)
	for i := 56; i < gptEntrySize; i += 2 {
		unit := binary.LittleEndian.Uint16(b[i:])
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	e.Label = string(utf16.Decode(units))
	return e, strings.Trim(string(e.Type), "0-") != ""
}

// label finds the partition with a label.
func (t *Table) label(name string) bool {
	return t != nil && slices.ContainsFunc(t.Entries, func(e Entry) bool { return e.Label == name })
}

// has reports whether the disk has partitions of all these GUIDs.
func (t *Table) has(want []guid) bool {
	for _, g := range want {
		if t == nil || !slices.ContainsFunc(t.Entries, func(e Entry) bool { return e.GUID == g }) {
			return false
		}
	}
	return true
}

// installed reports whether a disk with this table has the image with another:
// every partition at its place. Partitions of the machine may follow.
func (t *Table) installed(image *Table) bool {
	if t == nil || image == nil || t.Disk != image.Disk {
		return false
	}
	for _, want := range image.Entries {
		if !slices.Contains(t.Entries, want) {
			return false
		}
	}
	return len(image.Entries) > 0
}
