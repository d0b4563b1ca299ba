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

// rawSlot is a chunk and where it is not all zeros, by pages.
type rawSlot struct {
	buf  []byte
	data []Extent // in the chunk; neighbours are one
}

func writeRaw(ctx context.Context, w io.WriterAt, src Source, opts RawOptions) (Stats, error) {
	d, err := open(src)
	if err != nil {
		return Stats{}, err
	}
	stats := Stats{DiskSize: d.Size(), FileSize: d.Size()}
	end := int64(0) // of what was written
	err = eachChunk(ctx, d, chunk, opts.Progress, ordered.Work[block, struct{}, *rawSlot]{
		Worker: func() struct{} { return struct{}{} },
		Slot:   func() *rawSlot { return &rawSlot{buf: make([]byte, chunk)} },
		Do:     func(_ struct{}, s *rawSlot, b block) error { return s.read(d, b) },
		// File systems let one write to a file at a time anyway.
		Emit: func(s *rawSlot, b block) error {
			for _, e := range s.data {
				if err := writeAllAt(w, s.buf[e.Offset:e.end()], b.offset+e.Offset); err != nil {
					return err
				}
				stats.DataSize += e.Length
				end = b.offset + e.end()
			}
			return nil
		},
	})
	if err != nil {
		return Stats{}, err
	}
	if end < d.Size() {
		if err := setSize(w, d.Size()); err != nil {
			return Stats{}, err
		}
	}
	return stats, nil
}

// read reads a chunk and looks for zeros.
func (s *rawSlot) read(d *disk, b block) error {
	buf := s.buf[:b.length]
	if err := d.fill(buf, b.offset); err != nil {
		return err
	}
	s.data = s.data[:0]
	for at := 0; at < len(buf); at += page {
		n := min(page, len(buf)-at)
		if isZero(buf[at : at+n]) {
			continue
		}
		if last := len(s.data) - 1; last >= 0 && s.data[last].end() == int64(at) {
			s.data[last].Length += int64(n)
			continue
		}
		s.data = append(s.data, Extent{int64(at), int64(n)})
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
