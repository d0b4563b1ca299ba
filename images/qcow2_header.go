package images

import "encoding/binary"

// From docs/interop/qcow2.txt of QEMU, "Header" and "Header extensions".
const (
	qcow2Magic           = 0x514649fb // "QFI", 0xfb
	qcow2Version         = 3
	qcow2HeaderSize      = 112
	qcow2RefcountOrder   = 4          // reference counts have 1<<4 bits
	qcow2CompressionBit  = 3          // of the incompatible features: another compression than zlib
	qcow2CompressionZstd = 1          // as compression type; zlib is 0
	qcow2FeatureNames    = 0x6803f857 // extension: names for the bits of features
)

// header returns the first cluster of the file.
func (q *qcow2) header(l1At, tableAt, tableClusters int64) []byte {
	b := make([]byte, 0, q.space.size)
	u32 := func(v uint32) { b = binary.BigEndian.AppendUint32(b, v) }
	u64 := func(v uint64) { b = binary.BigEndian.AppendUint64(b, v) }
	zstd := q.compression == Zstd

	u32(qcow2Magic)
	u32(qcow2Version)
	u64(0) // backing file: none
	u32(0)
	u32(uint32(q.bits))
	u64(uint64(q.stats.DiskSize))
	u32(0) // encryption: none
	u32(uint32(len(q.l1)))
	u64(uint64(l1At))
	u64(uint64(tableAt))
	u32(uint32(tableClusters))
	u32(0) // snapshots: none
	u64(0)
	if zstd {
		u64(1 << qcow2CompressionBit) // incompatible features
	} else {
		u64(0)
	}
	u64(0) // compatible features
	u64(0) // features that writers clear
	u32(qcow2RefcountOrder)
	u32(qcow2HeaderSize)
	if zstd {
		u64(qcow2CompressionZstd << 56) // one byte, and padding
		// With its name in the file, a QEMU that is too old can say what it lacks.
		u32(qcow2FeatureNames)
		u32(48)
		name := make([]byte, 48) // kind (0 is incompatible), bit, name
		name[1] = qcow2CompressionBit
		copy(name[2:], "compression type")
		b = append(b, name...)
	} else {
		u64(0)
	}
	u64(0) // end of the extensions
	return b[:cap(b)]
}
