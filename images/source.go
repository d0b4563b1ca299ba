package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// SectorSize is the unit of disks in bytes.
const SectorSize = 512

// Source is a raw disk. ReadAt must be safe for concurrent use.
type Source interface {
	io.ReaderAt
	// Size is in bytes.
	Size() int64
	// Extents lists where the disk may have anything but zeros: not empty,
	// ascending, not overlapping. All else reads as zeros.
	Extents() ([]Extent, error)
}

// Extent is a range of a disk, in bytes.
type Extent struct{ Offset, Length int64 }

// end is the first byte after the extent.
func (e Extent) end() int64 { return e.Offset + e.Length }

// Plain is a source of which nothing is known but its size in bytes: all of r
// may be data.
func Plain(r io.ReaderAt, size int64) Source { return &plain{r, size} }

type plain struct {
	io.ReaderAt
	size int64
}

func (p *plain) Size() int64 { return p.size }

func (p *plain) Extents() ([]Extent, error) {
	if p.size == 0 {
		return nil, nil
	}
	return []Extent{{0, p.size}}, nil
}

// Bytes is a source in memory.
func Bytes(b []byte) Source { return Plain(bytes.NewReader(b), int64(len(b))) }

// disk is a source whose size and extents were checked.
type disk struct {
	Source
	extents []Extent
}

// open checks a source before it is written to an image.
func open(src Source) (*disk, error) {
	if size := src.Size(); size <= 0 || size%SectorSize != 0 {
		return nil, fmt.Errorf("disk of %d bytes: the size must be a positive multiple of %d", size, SectorSize)
	}
	extents, err := src.Extents()
	if err != nil {
		return nil, fmt.Errorf("finding the data of the disk: %w", err)
	}
	end := int64(0)
	for _, e := range extents {
		if e.Length <= 0 || e.Offset < end || e.Length > src.Size()-e.Offset {
			return nil, fmt.Errorf("disk of %d bytes: extent of %d bytes at %d is empty, out of order or outside", src.Size(), e.Length, e.Offset)
		}
		end = e.end()
	}
	return &disk{src, extents}, nil
}

// fill reads what the disk has at off; after its end there are zeros.
func (d *disk) fill(buf []byte, off int64) error {
	n := int(max(0, min(int64(len(buf)), d.Size()-off)))
	clear(buf[n:])
	if err := readFull(d, buf[:n], off); err != nil {
		return fmt.Errorf("reading the disk at %d: %w", off, err)
	}
	return nil
}

// readFull reads len(buf) bytes or says why not.
func readFull(r io.ReaderAt, buf []byte, off int64) error {
	n, err := r.ReadAt(buf, off)
	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	default:
		return err
	}
}
