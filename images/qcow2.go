package images

import (
	"context"
	"fmt"
	"io"
	"math/bits"

	"github.com/ingot-k8s/ingot/images/internal/ordered"
)

// QCOW2Options are for WriteQCOW2.
type QCOW2Options struct {
	Compression QCOW2Compression
	// ClusterSize is what is compressed at once, in bytes: a power of two from
	// 4 KiB to 2 MiB; 0 means 64 KiB. A machine that runs from a compressed
	// image unpacks a whole cluster for each read in it.
	ClusterSize int
	Progress    Progress // may be nil
}

// QCOW2Compression is how clusters are compressed.
type QCOW2Compression int

// The ways of compression.
const (
	Zstd         QCOW2Compression = iota // QEMU 5.1 and newer
	Zlib                                 // every QEMU; bigger and slower
	Uncompressed                         // the fastest to write and to run from
)

const (
	minClusterSize     = 4 << 10
	maxClusterSize     = 2 << 20
	defaultClusterSize = 64 << 10
)

// WriteQCOW2 writes a qcow2 image, version 3, without backing file and
// snapshots. Clusters that compression would not make smaller by a 32nd are
// stored as they are: they are faster to read.
func WriteQCOW2(ctx context.Context, w io.WriterAt, src Source, opts QCOW2Options) (Stats, error) {
	stats, err := writeQCOW2(ctx, w, src, opts)
	if err != nil {
		return Stats{}, fmt.Errorf("writing a qcow2 image: %w", err)
	}
	return stats, nil
}

func writeQCOW2(ctx context.Context, w io.WriterAt, src Source, opts QCOW2Options) (Stats, error) {
	size := opts.ClusterSize
	if size == 0 {
		size = defaultClusterSize
	}
	if size < minClusterSize || size > maxClusterSize || bits.OnesCount(uint(size)) != 1 {
		return Stats{}, fmt.Errorf("cluster size %d: must be a power of two from %d to %d", size, minClusterSize, maxClusterSize)
	}
	newCompressor, err := opts.Compression.compressor(size)
	if err != nil {
		return Stats{}, err
	}
	d, err := open(src)
	if err != nil {
		return Stats{}, err
	}
	image := newQCOW2(w, d.Size(), size, opts.Compression)
	chunk := max(chunk, size)
	err = eachChunk(ctx, d, chunk, opts.Progress, ordered.Work[block, clusterCompressor, *qcow2Slot]{
		Worker: newCompressor,
		Slot:   func() *qcow2Slot { return &qcow2Slot{buf: make([]byte, chunk)} },
		Do:     func(c clusterCompressor, s *qcow2Slot, b block) error { return s.pack(c, d, b, size) },
		Emit:   image.add,
	})
	if err != nil {
		return Stats{}, err
	}
	return image.finish()
}

// qcow2Slot is a chunk and what became of it.
type qcow2Slot struct {
	buf      []byte
	packed   []byte // compressed clusters, one after the other
	clusters []qcow2Cluster
}

// qcow2Cluster is one cluster of a chunk: all zeros (data is nil), compressed,
// or as it is.
type qcow2Cluster struct {
	data       []byte
	compressed bool
}

// pack reads a chunk and compresses its clusters.
func (s *qcow2Slot) pack(c clusterCompressor, d *disk, b block, size int) error {
	buf := s.buf[:(b.length+size-1)/size*size]
	if err := d.fill(buf, b.offset); err != nil {
		return err
	}
	s.packed, s.clusters = s.packed[:0], s.clusters[:0]
	for ; len(buf) > 0; buf = buf[size:] {
		raw := buf[:size]
		if isZero(raw) {
			s.clusters = append(s.clusters, qcow2Cluster{})
			continue
		}
		start := len(s.packed)
		var err error
		if s.packed, err = c(s.packed, raw); err != nil {
			return fmt.Errorf("compressing a cluster: %w", err)
		}
		if n := len(s.packed) - start; n > 0 && n <= size-size/32 {
			// Growing packed later leaves these bytes where they are.
			s.clusters = append(s.clusters, qcow2Cluster{s.packed[start:], true})
			continue
		}
		s.packed = s.packed[:start]
		s.clusters = append(s.clusters, qcow2Cluster{raw, false})
	}
	return nil
}
