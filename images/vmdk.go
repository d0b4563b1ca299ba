package images

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"

	"github.com/ingot-k8s/ingot/images/internal/ordered"
)

// VMDKOptions are for WriteVMDK.
type VMDKOptions struct {
	Progress Progress // may be nil
}

// grain is what is compressed at once, in bytes: 128 sectors, which is what
// VMware writes.
const grain = 64 << 10

// deflateLevel is for formats that others compress with zlib's default level:
// at this one, the library's output is within 3 percent of theirs.
const deflateLevel = 8

// WriteVMDK writes a streamOptimized VMDK, the kind that OVAs hold. A disk that
// is not a multiple of 64 KiB gets zeros at its end. The content identifier is
// derived from the content, which is read for that once more.
func WriteVMDK(ctx context.Context, w io.Writer, src Source, opts VMDKOptions) (Stats, error) {
	stats, err := writeVMDK(ctx, w, src, opts)
	if err != nil {
		return Stats{}, fmt.Errorf("writing a VMDK image: %w", err)
	}
	return stats, nil
}

func writeVMDK(ctx context.Context, w io.Writer, src Source, opts VMDKOptions) (Stats, error) {
	d, err := open(src)
	if err != nil {
		return Stats{}, err
	}
	id, err := contentID(ctx, d)
	if err != nil {
		return Stats{}, err
	}
	image := newVMDK(w, d.Size())
	if err := image.begin(id); err != nil {
		return Stats{}, err
	}
	err = eachChunk(ctx, d, chunk, opts.Progress, ordered.Work[block, grainCompressor, *vmdkSlot]{
		Worker: newGrainCompressor,
		Slot:   func() *vmdkSlot { return &vmdkSlot{buf: make([]byte, chunk)} },
		Do:     func(c grainCompressor, s *vmdkSlot, b block) error { return s.pack(c, d, b) },
		Emit:   image.add,
	})
	if err != nil {
		return Stats{}, err
	}
	return image.finish()
}

// vmdkSlot is a chunk and what became of it.
type vmdkSlot struct {
	buf    []byte
	packed bytes.Buffer // compressed grains with their markers, each padded to sectors
	grains []vmdkGrain
}

// vmdkGrain is a grain of a chunk that is not all zeros.
type vmdkGrain struct {
	number int64 // on the disk
	at     int64 // in packed, in sectors
}

// pack reads a chunk and compresses its grains.
func (s *vmdkSlot) pack(compress grainCompressor, d *disk, b block) error {
	buf := s.buf[:(b.length+grain-1)/grain*grain]
	if err := d.fill(buf, b.offset); err != nil {
		return err
	}
	s.packed.Reset()
	s.grains = s.grains[:0]
	for number := b.offset / grain; len(buf) > 0; number, buf = number+1, buf[grain:] {
		if isZero(buf[:grain]) {
			continue
		}
		start := s.packed.Len()
		s.grains = append(s.grains, vmdkGrain{number, int64(start) / SectorSize})
		s.packed.Write(make([]byte, vmdkGrainMarker))
		if err := compress(&s.packed, buf[:grain]); err != nil {
			return fmt.Errorf("compressing a grain: %w", err)
		}
		marker := s.packed.Bytes()[start:]
		binary.LittleEndian.PutUint64(marker, uint64(number*grain/SectorSize))
		binary.LittleEndian.PutUint32(marker[8:], uint32(len(marker)-vmdkGrainMarker))
		if over := s.packed.Len() % SectorSize; over > 0 {
			s.packed.Write(zeros[:SectorSize-over])
		}
	}
	return nil
}

// grainCompressor appends a compressed grain to dst.
type grainCompressor func(dst *bytes.Buffer, grain []byte) error

// newGrainCompressor makes each grain a zlib stream (RFC 1950). "Virtual Disk
// Format 5.0" says that grains are deflate streams (RFC 1951), but what VMware
// and QEMU read and write has zlib's header and checksum around these.
func newGrainCompressor() grainCompressor {
	writer, err := zlib.NewWriterLevel(nil, deflateLevel)
	return func(dst *bytes.Buffer, grain []byte) error {
		if err != nil {
			return err
		}
		writer.Reset(dst)
		if _, err := writer.Write(grain); err != nil {
			return err
		}
		return writer.Close()
	}
}
