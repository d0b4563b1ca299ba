package iso

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ingot-k8s/ingot/images"
)

// Platform is a kind of firmware.
type Platform byte

// The platforms (El Torito 1.0, 2.1; UEFI Specification 2.10, 13.3.2.1).
const (
	BIOS Platform = 0
	UEFI Platform = 0xef
)

// Boot is what a kind of firmware starts. Nothing is emulated: the firmware
// loads the beginning of a program, or takes a file for an EFI system partition.
type Boot struct {
	Platform Platform
	Path     string // of a file of the volume
	// Load is how much the firmware loads, in units of 512 bytes; 0 means all.
	Load uint16
	// InfoTable is whether the program finds its own place and size at its byte
	// 8, as GRUB and ISOLINUX want it. The file needs a content of its own.
	InfoTable bool
}

// From "El Torito", Bootable CD-ROM Format Specification 1.0.
const (
	catalogEntry  = 32
	entryBootable = 0x88
	sectionLast   = 0x91
	sectionMore   = 0x90
)

// bootRecord is the descriptor that leads to the catalog (El Torito, figure 7).
func (v *volume) bootRecord() []byte {
	b := append(descriptor(typeBoot), "EL TORITO SPECIFICATION"...)
	b = append(b, make([]byte, 71-len(b))...)
	return binary.LittleEndian.AppendUint32(b, uint32(v.catalog/SectorSize))
}

// bootCatalog lists what can be started (El Torito, figures 2 to 5). Each entry
// after the first is a section of its own.
func (v *volume) bootCatalog() ([]byte, error) {
	if len(v.Boot) > SectorSize/catalogEntry/2 {
		return nil, fmt.Errorf("%d boot entries: at most %d", len(v.Boot), SectorSize/catalogEntry/2)
	}
	out := validation(v.Boot[0].Platform)
	for i, e := range v.Boot {
		n, err := v.find(e.Path)
		if err != nil {
			return nil, fmt.Errorf("boot entry %q: %w", e.Path, err)
		}
		if i > 0 {
			header := make([]byte, catalogEntry)
			header[0], header[1], header[2] = sectionMore, byte(e.Platform), 1
			if i == len(v.Boot)-1 {
				header[0] = sectionLast
			}
			out = append(out, header...)
		}
		entry := make([]byte, catalogEntry)
		entry[0] = entryBootable
		binary.LittleEndian.PutUint16(entry[6:], e.count(n.size))
		binary.LittleEndian.PutUint32(entry[8:], uint32(n.offset/SectorSize))
		out = append(out, entry...)
	}
	return out, nil
}

// count is the number of units of 512 bytes. What is larger than the field has
// room for is 0, which firmware takes for all that is left of the disc: EDK II
// in PartitionInstallElToritoChildHandles, and a file system knows its own size.
func (e Boot) count(size int64) uint16 {
	if n := (size + images.SectorSize - 1) / images.SectorSize; e.Load == 0 && n < 1<<16 {
		return uint16(n)
	}
	return e.Load
}

// validation is the first entry, whose words add up to zero.
func validation(p Platform) []byte {
	b := make([]byte, catalogEntry)
	b[0], b[1], b[30], b[31] = 1, byte(p), 0x55, 0xaa
	sum := uint16(0)
	for i := 0; i < catalogEntry; i += 2 {
		sum += binary.LittleEndian.Uint16(b[i:])
	}
	binary.LittleEndian.PutUint16(b[28:], -sum)
	return b
}

// Of the boot information table, which mkisofs(8) describes.
const (
	tableAt  = 8
	tableEnd = 64 // what is behind it is summed
)

// patch writes the tables that programs find themselves by.
func (v *volume) patch() error {
	for _, e := range v.Boot {
		if !e.InfoTable {
			continue
		}
		n, err := v.find(e.Path)
		if err == nil {
			err = n.writeTable()
		}
		if err != nil {
			return fmt.Errorf("boot entry %q: %w", e.Path, err)
		}
	}
	return nil
}

func (n *node) writeTable() error {
	if n.content == nil || n.size < tableEnd || n.size > maxProgram {
		return fmt.Errorf("a program that knows its place needs a content of its own of %d to %d bytes", tableEnd, maxProgram)
	}
	data := make([]byte, n.size)
	if _, err := io.ReadFull(io.NewSectionReader(n.content, 0, n.size), data); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	sum, word := uint32(0), make([]byte, 4)
	for at := tableEnd; at < len(data); at += len(word) {
		clear(word)
		copy(word, data[at:])
		sum += binary.LittleEndian.Uint32(word)
	}
	clear(data[tableAt:tableEnd])
	for i, value := range []uint32{primaryAt, uint32(n.offset / SectorSize), uint32(n.size), sum} {
		binary.LittleEndian.PutUint32(data[tableAt+4*i:], value)
	}
	n.content = images.Bytes(data)
	return nil
}

// maxProgram is what BIOSes could load at most, in bytes.
const maxProgram = 1 << 20
