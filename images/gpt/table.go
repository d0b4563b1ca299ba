package gpt

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"unicode/utf16"
)

// From the UEFI Specification 2.10: 5.2.1 and 5.2.3 (legacy and protective
// MBR), 5.3.2 (header), 5.3.3 (entries).
const (
	bootCodeSize   = 440
	mbrRecord      = 446 // the first of four
	mbrProtective  = 0xee
	headerSize     = 92
	headerRevision = 0x00010000
	entrySize      = 128
	entrySectors   = maxEntries * entrySize / SectorSize
	primarySectors = 2 + entrySectors // MBR, header, entries
	backupSectors  = entrySectors + 1 // entries, header
)

// Table is a partition table.
type Table struct {
	GUID     GUID
	Sectors  uint64 // of the disk
	BootCode []byte
	Entries  []Entry
}

// Entry is a partition of a table. First and Last are sectors, both in it.
type Entry struct {
	Label       string
	Type, GUID  GUID
	First, Last uint64
	Attributes  uint64
}

// Offset is where the partition begins, in bytes.
func (e Entry) Offset() int64 { return int64(e.First) * SectorSize }

// Size is in bytes.
func (e Entry) Size() int64 { return int64(e.Last-e.First+1) * SectorSize }

// Primary returns the start of the disk: the protective MBR and the table.
func (t *Table) Primary() []byte {
	entries := t.entries()
	b := t.mbr()
	b = append(b, t.header(1, t.Sectors-1, 2, entries)...)
	return append(b, entries...)
}

// Backup returns the end of the disk: the copy of the table.
func (t *Table) Backup() []byte {
	entries := t.entries()
	return append(entries, t.header(t.Sectors-1, 1, t.Sectors-backupSectors, entries)...)
}

// mbr returns the first sector. Its one record covers the disk, so that
// programs that know no GPT leave it alone.
func (t *Table) mbr() []byte {
	b := make([]byte, SectorSize)
	copy(b, t.BootCode)
	record := b[mbrRecord:]
	copy(record[1:], []byte{0x00, 0x02, 0x00}) // cylinder, head, sector of sector 1
	record[4] = mbrProtective
	copy(record[5:], []byte{0xff, 0xff, 0xff}) // what cannot be said in this form
	binary.LittleEndian.PutUint32(record[8:], 1)
	binary.LittleEndian.PutUint32(record[12:], uint32(min(t.Sectors-1, math.MaxUint32)))
	b[510], b[511] = 0x55, 0xaa
	return b
}

// header returns the sector at my of a table whose copy has its header at other
// and whose entries begin at sector array.
func (t *Table) header(my, other, array uint64, entries []byte) []byte {
	b := make([]byte, 0, SectorSize)
	u32 := func(v uint32) { b = binary.LittleEndian.AppendUint32(b, v) }
	u64 := func(v uint64) { b = binary.LittleEndian.AppendUint64(b, v) }
	b = append(b, "EFI PART"...)
	u32(headerRevision)
	u32(headerSize)
	u32(0) // its own checksum, set below
	u32(0)
	u64(my)
	u64(other)
	u64(primarySectors)                // the first usable sector
	u64(t.Sectors - backupSectors - 1) // the last one
	guid := t.GUID.disk()
	b = append(b, guid[:]...)
	u64(array)
	u32(maxEntries)
	u32(entrySize)
	u32(crc32.ChecksumIEEE(entries))
	binary.LittleEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b))
	return b[:SectorSize]
}

// entries returns the array of all entries, unused ones included.
func (t *Table) entries() []byte {
	b := make([]byte, maxEntries*entrySize)
	for i, e := range t.Entries {
		entry := b[i*entrySize:]
		kind, guid := e.Type.disk(), e.GUID.disk()
		copy(entry, kind[:])
		copy(entry[16:], guid[:])
		binary.LittleEndian.PutUint64(entry[32:], e.First)
		binary.LittleEndian.PutUint64(entry[40:], e.Last)
		binary.LittleEndian.PutUint64(entry[48:], e.Attributes)
		for j, unit := range utf16.Encode([]rune(e.Label)) {
			binary.LittleEndian.PutUint16(entry[56+2*j:], unit)
		}
	}
	return b
}
