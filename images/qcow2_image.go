package images

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// Bits of the entries of tables: docs/interop/qcow2.txt of QEMU, "Cluster
// mapping".
const (
	qcow2Copied     = 1 << 63 // referred to exactly once
	qcow2Compressed = 1 << 62
)

// qcow2 is an image in the making. In the file, the header is followed by data
// and the second-level tables that map it; the first-level table and the
// reference counts come last.
type qcow2 struct {
	w           io.WriterAt
	bits        int // of an offset in a cluster
	space       qcow2Space
	compression QCOW2Compression
	stats       Stats

	l1      []uint64
	l2      []byte // the one that is being filled
	l2Index int    // where it belongs in l1; -1 for none
}

func newQCOW2(w io.WriterAt, diskSize int64, clusterSize int, c QCOW2Compression) *qcow2 {
	q := &qcow2{
		w:           w,
		bits:        bits.TrailingZeros(uint(clusterSize)),
		space:       qcow2Space{size: int64(clusterSize)},
		compression: c,
		stats:       Stats{DiskSize: diskSize},
		l2:          make([]byte, clusterSize),
		l2Index:     -1,
	}
	q.l1 = make([]uint64, ceilDiv(diskSize, int64(clusterSize)*int64(clusterSize/8)))
	q.space.clusters(1) // the header
	return q
}

// ceilDiv rounds up.
func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// add writes the clusters of a chunk.
func (q *qcow2) add(s *qcow2Slot, b block) error {
	size := q.space.size
	for i, c := range s.clusters {
		if c.data == nil {
			continue
		}
		offset := b.offset + int64(i)*size
		entry, err := q.store(c)
		if err != nil {
			return err
		}
		if err := q.enter(offset/size, entry); err != nil {
			return err
		}
		q.stats.DataSize += min(size, q.stats.DiskSize-offset)
	}
	return nil
}

// store writes a cluster and returns what the second-level table says of it.
func (q *qcow2) store(c qcow2Cluster) (uint64, error) {
	if !c.compressed {
		at := q.space.clusters(1)
		return uint64(at) | qcow2Copied, writeAllAt(q.w, c.data, at)
	}
	n := int64(len(c.data))
	at := q.space.bytes(n)
	// The offset takes 62-(bits-8) bits. Above it is the number of sectors
	// that are to be read after the first.
	more := (at+n-1)/SectorSize - at/SectorSize
	return uint64(at) | uint64(more)<<(62-(q.bits-8)) | qcow2Compressed, writeAllAt(q.w, c.data, at)
}

// enter maps a cluster of the disk, which must come in order.
func (q *qcow2) enter(cluster int64, entry uint64) error {
	perTable := q.space.size / 8
	if index := int(cluster / perTable); index != q.l2Index {
		if err := q.flush(); err != nil {
			return err
		}
		q.l2Index = index
	}
	binary.BigEndian.PutUint64(q.l2[cluster%perTable*8:], entry)
	return nil
}

// flush writes the second-level table that is being filled.
func (q *qcow2) flush() error {
	if q.l2Index < 0 {
		return nil
	}
	at := q.space.clusters(1)
	q.l1[q.l2Index] = uint64(at) | qcow2Copied
	err := writeAllAt(q.w, q.l2, at)
	clear(q.l2)
	return err
}

// finish writes the tables that come last, then the header.
func (q *qcow2) finish() (Stats, error) {
	if err := q.flush(); err != nil {
		return Stats{}, err
	}
	size := q.space.size
	l1 := make([]byte, 0, len(q.l1)*8)
	for _, entry := range q.l1 {
		l1 = binary.BigEndian.AppendUint64(l1, entry)
	}
	l1At := q.space.clusters(ceilDiv(int64(len(l1)), size))
	if err := writeAllAt(q.w, l1, l1At); err != nil {
		return Stats{}, err
	}
	table, tableAt, err := q.writeRefs()
	if err != nil {
		return Stats{}, err
	}
	q.stats.FileSize = q.space.end()
	header := q.header(l1At, tableAt, table)
	if err := writeAllAt(q.w, header, 0); err != nil {
		return Stats{}, fmt.Errorf("writing the header: %w", err)
	}
	return q.stats, nil
}

// writeRefs writes the reference counts of all clusters, their own included,
// and returns the size in clusters and the place of the table of their blocks.
func (q *qcow2) writeRefs() (table, tableAt int64, err error) {
	size := q.space.size
	perBlock := size / 2 // of 16 bits each
	used := int64(len(q.space.refs))
	var blocks int64
	for {
		b := ceilDiv(used+blocks+table, perBlock)
		t := ceilDiv(b*8, size)
		if b == blocks && t == table {
			break
		}
		blocks, table = b, t
	}
	blocksAt := q.space.clusters(blocks)
	tableAt = q.space.clusters(table)
	buf := make([]byte, (blocks+table)*size)
	for i, n := range q.space.refs {
		binary.BigEndian.PutUint16(buf[i*2:], n)
	}
	for i := range blocks {
		binary.BigEndian.PutUint64(buf[blocks*size+i*8:], uint64(blocksAt+i*size))
	}
	return table, tableAt, writeAllAt(q.w, buf, blocksAt)
}
