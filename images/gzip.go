package images

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/ingot-k8s/ingot/images/internal/ordered"
)

// GzipOptions are for WriteRawGzip.
type GzipOptions struct {
	Progress Progress // may be nil
}

// deflateHistory is how far back a deflate stream may refer, in bytes (RFC
// 1951, 2).
const deflateHistory = 32 << 10

// WriteRawGzip writes the raw disk as one gzip member (RFC 1952), without name
// and time. Its deflate stream is made of pieces of 1 MiB of the disk, each
// compressed on its own with the end of the one before as history, and aligned
// to bytes by an empty stored block.
func WriteRawGzip(ctx context.Context, w io.Writer, src Source, opts GzipOptions) (Stats, error) {
	stats, err := writeRawGzip(ctx, w, src, opts)
	if err != nil {
		return Stats{}, fmt.Errorf("writing a gzip image: %w", err)
	}
	return stats, nil
}

func writeRawGzip(ctx context.Context, w io.Writer, src Source, opts GzipOptions) (Stats, error) {
	d, err := open(src)
	if err != nil {
		return Stats{}, err
	}
	image := &gzipImage{w: bufio.NewWriterSize(strict{w}, 64<<10), stats: Stats{DiskSize: d.Size()}}
	if err := image.begin(); err != nil {
		return Stats{}, err
	}
	err = eachChunk(ctx, d, chunk, opts.Progress, ordered.Work[block, *deflater, *gzipSlot]{
		Worker: newDeflater,
		Slot:   func() *gzipSlot { return &gzipSlot{buf: make([]byte, deflateHistory+chunk)} },
		Do:     func(c *deflater, s *gzipSlot, b block) error { return s.pack(c, d, b) },
		Emit:   func(s *gzipSlot, b block) error { return image.add(ctx, s, b) },
	})
	if err != nil {
		return Stats{}, err
	}
	return image.finish(ctx)
}

// gzipSlot is a chunk, with its history before it, and what became of it.
type gzipSlot struct {
	buf    []byte
	zero   bool
	packed bytes.Buffer
	sum    uint32
}

// pack reads a chunk and compresses it, unless it is all zeros.
func (s *gzipSlot) pack(c *deflater, d *disk, b block) error {
	start := deflateHistory
	if b.offset == 0 {
		start = 0
	}
	buf := s.buf[:start+b.length]
	if err := d.fill(buf, b.offset-int64(start)); err != nil {
		return err
	}
	s.packed.Reset()
	if s.zero = isZero(buf[start:]); s.zero {
		return nil
	}
	s.sum = crc32.ChecksumIEEE(buf[start:])
	return c.deflate(&s.packed, buf[:start], buf[start:])
}

// deflater compresses pieces of a stream.
type deflater struct {
	writer *flate.Writer
	err    error
}

func newDeflater() *deflater {
	writer, err := flate.NewWriter(nil, deflateLevel)
	return &deflater{writer, err}
}

// deflate appends a piece to dst, which ends at a byte.
func (c *deflater) deflate(dst *bytes.Buffer, history, piece []byte) error {
	if c.err != nil {
		return c.err
	}
	c.writer.ResetDict(dst, history)
	if _, err := c.writer.Write(piece); err != nil {
		return err
	}
	return c.writer.Flush()
}

// gzipImage is an image in the making.
type gzipImage struct {
	w     *bufio.Writer
	sum   uint32
	done  int64  // bytes of the disk
	zeros []byte // a chunk of zeros, compressed
	stats Stats
}

func (g *gzipImage) write(b []byte) error {
	g.stats.FileSize += int64(len(b))
	_, err := g.w.Write(b)
	return err
}

// begin writes the header (RFC 1952, 2.3).
func (g *gzipImage) begin() error {
	var packed bytes.Buffer
	if err := newDeflater().deflate(&packed, nil, make([]byte, chunk)); err != nil {
		return fmt.Errorf("compressing zeros: %w", err)
	}
	g.zeros = packed.Bytes()
	const (
		deflate = 8
		unknown = 255 // as operating system
	)
	return g.write([]byte{0x1f, 0x8b, deflate, 0, 0, 0, 0, 0, 0, unknown})
}

// add writes a chunk and the zeros before it.
func (g *gzipImage) add(ctx context.Context, s *gzipSlot, b block) error {
	if s.zero {
		return nil // as a hole
	}
	if err := g.skip(ctx, b.offset); err != nil {
		return err
	}
	g.sum = joinCRC(g.sum, s.sum, int64(b.length))
	g.done += int64(b.length)
	g.stats.DataSize += int64(b.length)
	return g.write(s.packed.Bytes())
}

// skip writes zeros up to an offset on the disk: the start of a chunk, or the
// disk's end.
func (g *gzipImage) skip(ctx context.Context, offset int64) error {
	n := offset - g.done
	g.sum = joinCRC(g.sum, zerosCRC(n), n)
	g.done = offset
	for ; n >= chunk; n -= chunk {
		if ctx.Err() != nil { // holes can be very large
			return context.Cause(ctx)
		}
		if err := g.write(g.zeros); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	var rest bytes.Buffer
	if err := newDeflater().deflate(&rest, nil, make([]byte, n)); err != nil {
		return fmt.Errorf("compressing zeros: %w", err)
	}
	return g.write(rest.Bytes())
}

// finish writes the last zeros, the end of the stream and the trailer.
func (g *gzipImage) finish(ctx context.Context) (Stats, error) {
	if err := g.skip(ctx, g.stats.DiskSize); err != nil {
		return Stats{}, err
	}
	trailer := []byte{0x03, 0x00} // an empty block with the mark of the last one
	trailer = binary.LittleEndian.AppendUint32(trailer, g.sum)
	trailer = binary.LittleEndian.AppendUint32(trailer, uint32(g.stats.DiskSize)) // modulo 1<<32
	if err := g.write(trailer); err != nil {
		return Stats{}, err
	}
	return g.stats, g.w.Flush()
}
