package iso

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Types of volume descriptors (8.1.1).
const (
	typeBoot    = 0
	typePrimary = 1
	typeEnd     = 255
)

// structures are what the volume has from Start on, up to its first file.
func (v *volume) structures() ([]byte, error) {
	if len(v.folders) > 1<<16-1 {
		return nil, fmt.Errorf("%d folders: at most %d", len(v.folders), 1<<16-1)
	}
	out := make([]byte, v.end-Start)
	at := 0
	put := func(b []byte) {
		copy(out[at:], b)
		at += int(sectors(int64(len(b)))) * SectorSize
	}
	put(v.primary())
	if len(v.Boot) > 0 {
		put(v.bootRecord())
	}
	put(descriptor(typeEnd))
	put(v.pathTable(binary.LittleEndian))
	put(v.pathTable(binary.BigEndian))
	if len(v.Boot) > 0 {
		catalog, err := v.bootCatalog()
		if err != nil {
			return nil, err
		}
		put(catalog)
	}
	for _, f := range v.folders {
		put(f.body(v.Time))
	}
	return out, nil
}

// descriptor is the beginning of a volume descriptor (8.1).
func descriptor(kind byte) []byte { return append([]byte{kind}, "CD001\x01"...) }

// padded is text in a field that blanks fill up.
func padded(b []byte, text string, size int) []byte {
	return append(b, text+strings.Repeat(" ", size-len(text))...)
}

// primary is the primary volume descriptor (8.4).
func (v *volume) primary() []byte {
	tables := int64(primaryAt + 2)
	if len(v.Boot) > 0 {
		tables++
	}
	root := v.folders[0]
	b := append(descriptor(typePrimary), 0)
	b = padded(b, "LINUX", 32)
	b = padded(b, v.Label, 32)
	b = append(b, make([]byte, 8)...)
	b = both32(b, uint32(v.Size/SectorSize))
	b = append(b, make([]byte, 32)...)
	b = both16(b, 1) // volumes of the set, and which of them this is
	b = both16(b, 1)
	b = both16(b, SectorSize)
	b = both32(b, uint32(v.table))
	b = binary.LittleEndian.AppendUint32(b, uint32(tables))
	b = append(b, 0, 0, 0, 0) // no second copy
	b = binary.BigEndian.AppendUint32(b, uint32(tables+sectors(v.table)))
	b = append(b, 0, 0, 0, 0)
	b = append(b, record("\x00", root.offset, root.size, flagFolder, v.Time)...)
	b = padded(b, "", 128)      // of the set
	b = padded(b, "", 128)      // who publishes
	b = padded(b, "", 128)      // who prepares
	b = padded(b, "INGOT", 128) // application
	b = padded(b, "", 37+37+37) // files with rights, a summary, books
	b = append(b, stamp(v.Time)...)
	b = append(b, stamp(v.Time)...)
	b = append(b, never()...) // the end of its use
	b = append(b, stamp(v.Time)...)
	return append(b, 1, 0) // version of the structure
}

// stamp is a time as a descriptor has it, to hundredths of a second and with
// the offset from UTC (8.4.26.1).
func stamp(t time.Time) []byte { return append([]byte(t.UTC().Format("20060102150405")), '0', '0', 0) }

// never is a time that is none.
func never() []byte { return append([]byte(strings.Repeat("0", 16)), 0) }
