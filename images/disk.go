package images

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Part is a piece of a disk.
type Part struct {
	// Offset is where on the disk the part begins, in bytes.
	Offset int64
	// Content is what the part holds: all of it.
	Content Source
}

func (p Part) end() int64 { return p.Offset + p.Content.Size() }

// Disk is a raw disk composed of parts, with holes between them.
type Disk struct {
	size  int64
	parts []Part // ascending, not empty
}

var _ Source = (*Disk)(nil)

// NewDisk composes a disk of size bytes. The parts may come in any order; they
// must not overlap.
func NewDisk(size int64, parts ...Part) (*Disk, error) {
	sorted := slices.DeleteFunc(slices.Clone(parts), func(p Part) bool { return p.Content.Size() == 0 })
	slices.SortFunc(sorted, func(a, b Part) int { return cmp.Compare(a.Offset, b.Offset) })
	end := int64(0)
	for _, p := range sorted {
		if p.Offset < 0 || p.Content.Size() < 0 || p.Content.Size() > size-p.Offset {
			return nil, fmt.Errorf("composing a disk of %d bytes: part of %d bytes at %d is outside", size, p.Content.Size(), p.Offset)
		}
		if p.Offset < end {
			return nil, fmt.Errorf("composing a disk of %d bytes: part of %d bytes at %d begins before the end of another at %d",
				size, p.Content.Size(), p.Offset, end)
		}
		end = p.end()
	}
	return &Disk{size, sorted}, nil
}

// Size is in bytes.
func (d *Disk) Size() int64 { return d.size }

// Extents are those of the parts.
func (d *Disk) Extents() ([]Extent, error) {
	var extents []Extent
	for _, p := range d.parts {
		inner, err := p.Content.Extents()
		if err != nil {
			return nil, fmt.Errorf("part at %d: %w", p.Offset, err)
		}
		for _, e := range inner {
			extents = append(extents, Extent{p.Offset + e.Offset, e.Length})
		}
	}
	return extents, nil
}

// ReadAt implements io.ReaderAt.
func (d *Disk) ReadAt(buf []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("reading a disk at %d: negative offset", off)
	}
	if off >= d.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(buf)), d.size-off))
	first, _ := slices.BinarySearchFunc(d.parts, off, func(p Part, off int64) int { return cmp.Compare(p.end(), off+1) })
	done := 0
	for _, p := range d.parts[first:] {
		at := off + int64(done)
		if p.Offset >= off+int64(n) {
			break
		}
		if hole := p.Offset - at; hole > 0 {
			clear(buf[done : done+int(hole)])
			done += int(hole)
			at += hole
		}
		length := int(min(int64(n-done), p.end()-at))
		if err := readFull(p.Content, buf[done:done+length], at-p.Offset); err != nil {
			return done, fmt.Errorf("part at %d: %w", p.Offset, err)
		}
		done += length
	}
	clear(buf[done:n])
	if n < len(buf) {
		return n, io.EOF
	}
	return n, nil
}
