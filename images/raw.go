package images

import (
	"context"
	"fmt"
	"io"

	"github.com/ingot-k8s/ingot/images/internal/ordered"
)

// page is the unit of holes in raw images: that of Linux's file systems, in
// bytes.
const page = 4096

// RawOptions are for WriteRaw.
type RawOptions struct {
	Progress Progress // may be nil
}

// WriteRaw writes the disk as it is, with holes where it has only zeros.
func WriteRaw(ctx context.Context, w io.WriterAt, src Source, opts RawOptions) (Stats, error) {
	stats, err := writeRaw(ctx, w, src, opts)
	if err != nil {
		return Stats{}, fmt.Errorf("writing a raw image: %w", err)
	}
	return stats, nil
}

// rawSlot is a chunk and how much of it was written.
type rawSlot struct {
	buf  []byte
	data int64
	last bool // whether the last page of the chunk was written
}

func writeRaw(ctx context.Context, w io.WriterAt, src Source, opts RawOptions) (Stats, error) {
	d, err := open(src)
	if err != nil {
		return Stats{}, err
	}
	stats := Stats{DiskSize: d.Size(), FileSize: d.Size()}
	ended := false // whether the image has its full size
	err = eachChunk(ctx, d, chunk, opts.Progress, ordered.Work[block, struct{}, *rawSlot]{
		Worker: func() struct{} { return struct{}{} },
		Slot:   func() *rawSlot { return &rawSlot{buf: make([]byte, chunk)} },
		Do:     func(_ struct{}, s *rawSlot, b block) error { return s.copy(w, d, b) },
		Emit: func(s *rawSlot, b block) error {
			stats.DataSize += s.data
			ended = s.last && b.offset+int64(b.length) == d.Size()
			return nil
		},
	})
	if err != nil {
		return Stats{}, err
	}
	if !ended {
		if err := setSize(w, d.Size()); err != nil {
			return Stats{}, err
		}
	}
	return stats, nil
}

// copy writes the pages of a chunk that are not all zeros, neighbours at once.
func (s *rawSlot) copy(w io.WriterAt, d *disk, b block) error {
	buf := s.buf[:b.length]
	if err := d.fill(buf, b.offset); err != nil {
		return err
	}
	s.data, s.last = 0, false
	for at := 0; at < len(buf); {
		start := at
		for at < len(buf) && !isZero(buf[at:min(at+page, len(buf))]) {
			at = min(at+page, len(buf))
		}
		if start == at {
			at += page
			continue
		}
		if err := writeAllAt(w, buf[start:at], b.offset+int64(start)); err != nil {
			return err
		}
		s.data += int64(at - start)
		s.last = at == len(buf)
	}
	return nil
}

// setSize gives an image whose end is a hole its size, which costs a page where
// w cannot be truncated.
func setSize(w io.WriterAt, size int64) error {
	if file, ok := w.(interface{ Truncate(size int64) error }); ok {
		return file.Truncate(size)
	}
	return writeAllAt(w, []byte{0}, size-1)
}
