package images

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/ingot-k8s/ingot/images/internal/ordered"
)

// vmdkDescriptor is the text that describes the disk, as "Virtual Disk Format
// 5.0" says under "The Descriptor". It has fewer than vmdkDescriptorSize
// sectors. The extent's name counts only where the text is a file of its own.
func vmdkDescriptor(capacity int64, contentID uint32) string {
	// SCSI disks of more than a gigabyte have this geometry.
	const heads, sectors = 255, 63
	cylinders := min(ceilDiv(capacity, heads*sectors), 65535)
	return fmt.Sprintf(`# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=%08x
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW %d SPARSE "disk.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "%d"
ddb.geometry.heads = "%d"
ddb.geometry.sectors = "%d"
ddb.virtualHWVersion = "4"
`, contentID, capacity, cylinders, heads, sectors)
}

// contentID derives from the content of a disk what VMware takes for a random
// number that changes with the content: from the checksums of the chunks that
// are not all zeros.
func contentID(ctx context.Context, d *disk) (uint32, error) {
	type slot struct {
		buf  []byte
		zero bool
		sum  uint32
	}
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	hash := sha256.New()
	err := eachChunk(ctx, d, chunk, nil, ordered.Work[block, struct{}, *slot]{
		Worker: func() struct{} { return struct{}{} },
		Slot:   func() *slot { return &slot{buf: make([]byte, chunk)} },
		Do: func(_ struct{}, s *slot, b block) error {
			buf := s.buf[:b.length]
			if err := d.fill(buf, b.offset); err != nil {
				return err
			}
			s.zero = isZero(buf)
			s.sum = crc32.Checksum(buf, castagnoli)
			return nil
		},
		Emit: func(s *slot, b block) error {
			if s.zero {
				return nil
			}
			record := binary.BigEndian.AppendUint64(nil, uint64(b.index))
			hash.Write(binary.BigEndian.AppendUint32(record, s.sum)) // never fails
			return nil
		},
	})
	if err != nil {
		return 0, err
	}
	hash.Write(binary.BigEndian.AppendUint64(nil, uint64(d.Size())))
	id := binary.BigEndian.Uint32(hash.Sum(nil))
	if id+1 <= 1 { // all bits set means no content, and no bits may mean it
		return 1, nil
	}
	return id, nil
}
