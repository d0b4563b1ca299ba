package images

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// From VMware's "Virtual Disk Format 5.0", "Hosted Sparse Extents" and
// "Stream-Optimized Compressed".
const (
	vmdkMagic       = 0x564d444b           // "KDMV" in the file
	vmdkVersion     = 3                    // of sparse extents with compressed grains
	vmdkFlags       = 1<<0 | 1<<16 | 1<<17 // newline test, compressed grains, markers
	vmdkDeflate     = 1
	vmdkGDAtEnd     = math.MaxUint64 // the grain directory's place is in the footer
	vmdkGTEntries   = 512            // grains of a grain table
	vmdkGrainMarker = 12             // bytes before a compressed grain: its sector, its size
	// vmdkOverhead is where grains begin, in sectors; the descriptor is before.
	vmdkOverhead       = grain / SectorSize
	vmdkDescriptorSize = 20 // in sectors

	vmdkMarkerEOS    = 0
	vmdkMarkerGT     = 1
	vmdkMarkerGD     = 2
	vmdkMarkerFooter = 3
)

// vmdk is an image in the making. The grain table of each 32 MiB of the disk
// follows its grains; the grain directory and the footer come last.
type vmdk struct {
	w        io.Writer
	sectors  int64 // written
	capacity int64 // of the disk, in sectors
	stats    Stats

	directory []byte // of 32 bits each: the sector of a grain table; 0 for none
	table     []byte // the one that is being filled, of 32 bits each
	index     int64  // where it belongs in the directory; -1 for none
}

func newVMDK(w io.Writer, diskSize int64) *vmdk {
	grains := ceilDiv(diskSize, grain)
	return &vmdk{
		w:         w,
		capacity:  grains * grain / SectorSize,
		stats:     Stats{DiskSize: grains * grain},
		directory: make([]byte, ceilDiv(grains, vmdkGTEntries)*4),
		table:     make([]byte, vmdkGTEntries*4),
		index:     -1,
	}
}

// write appends sectors.
func (v *vmdk) write(b []byte) error {
	v.sectors += int64(len(b)) / SectorSize
	return writeAll(v.w, b)
}

// begin writes the header and the descriptor.
func (v *vmdk) begin(contentID uint32) error {
	b := make([]byte, vmdkOverhead*SectorSize)
	copy(b, v.header(vmdkGDAtEnd))
	copy(b[SectorSize:], vmdkDescriptor(v.capacity, contentID))
	return v.write(b)
}

// header returns the header, or the footer.
func (v *vmdk) header(directory uint64) []byte {
	b := make([]byte, 0, SectorSize)
	u32 := func(v uint32) { b = binary.LittleEndian.AppendUint32(b, v) }
	u64 := func(v uint64) { b = binary.LittleEndian.AppendUint64(b, v) }
	u32(vmdkMagic)
	u32(vmdkVersion)
	u32(vmdkFlags)
	u64(uint64(v.capacity))
	u64(grain / SectorSize)
	u64(1) // the descriptor's sector
	u64(vmdkDescriptorSize)
	u32(vmdkGTEntries)
	u64(0) // redundant grain directory: none
	u64(directory)
	u64(vmdkOverhead)
	b = append(b, 0)            // no unclean shutdown
	b = append(b, "\n \r\n"...) // shows when a transfer has taken the file for text
	b = binary.LittleEndian.AppendUint16(b, vmdkDeflate)
	return b[:cap(b)]
}

// add writes the grains of a chunk, which are all in one grain table.
func (v *vmdk) add(s *vmdkSlot, b block) error {
	for _, g := range s.grains {
		if index := g.number / vmdkGTEntries; index != v.index {
			if err := v.flush(); err != nil {
				return err
			}
			v.index = index
		}
		if v.sectors+g.at > math.MaxUint32 {
			return fmt.Errorf("compressed disk: larger than the %d sectors that the format can address", uint32(math.MaxUint32))
		}
		binary.LittleEndian.PutUint32(v.table[g.number%vmdkGTEntries*4:], uint32(v.sectors+g.at))
		v.stats.DataSize += min(grain, b.offset+int64(b.length)-g.number*grain)
	}
	return v.write(s.packed.Bytes())
}

// flush writes the grain table that is being filled.
func (v *vmdk) flush() error {
	if v.index < 0 {
		return nil
	}
	if err := v.mark(vmdkMarkerGT, v.table); err != nil {
		return err
	}
	at := v.sectors - int64(len(v.table)/SectorSize)
	binary.LittleEndian.PutUint32(v.directory[v.index*4:], uint32(at))
	clear(v.table)
	return nil
}

// mark writes metadata, padded to sectors, after a marker of its kind.
func (v *vmdk) mark(kind uint32, metadata []byte) error {
	n := ceilDiv(int64(len(metadata)), SectorSize)
	b := make([]byte, (1+n)*SectorSize)
	binary.LittleEndian.PutUint64(b, uint64(n))
	binary.LittleEndian.PutUint32(b[12:], kind) // at 8 is the size of a grain, here 0
	copy(b[SectorSize:], metadata)
	return v.write(b)
}

// finish writes what comes after the grains.
func (v *vmdk) finish() (Stats, error) {
	if err := v.flush(); err != nil {
		return Stats{}, err
	}
	directory := uint64(v.sectors + 1)
	if err := v.mark(vmdkMarkerGD, v.directory); err != nil {
		return Stats{}, err
	}
	if err := v.mark(vmdkMarkerFooter, v.header(directory)); err != nil {
		return Stats{}, err
	}
	if err := v.mark(vmdkMarkerEOS, nil); err != nil {
		return Stats{}, err
	}
	v.stats.FileSize = v.sectors * SectorSize
	return v.stats, nil
}
