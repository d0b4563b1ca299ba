package images

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// File is a raw disk in a file, or a block device.
type File struct {
	file *os.File
	size int64
}

var _ Source = (*File)(nil)

// NewFile makes a source of an open file with the size that it has now. Its
// methods move the file's offset. The caller closes the file.
func NewFile(f *os.File) (*File, error) {
	size, err := f.Seek(0, io.SeekEnd) // a block device has no size in its Stat
	if err != nil {
		return nil, fmt.Errorf("finding the size of %q: %w", f.Name(), err)
	}
	return &File{f, size}, nil
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Size is in bytes.
func (f *File) Size() int64 { return f.size }

// Extents asks the file system where the file has data. Where that cannot be
// known, all of the file is one extent. It must not be called concurrently.
func (f *File) Extents() ([]Extent, error) {
	var extents []Extent
	for end := int64(0); end < f.size; {
		start, err := f.file.Seek(end, seekData)
		if errors.Is(err, syscall.ENXIO) { // only a hole is left
			break
		}
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
			return []Extent{{0, f.size}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("finding data in %q: %w", f.file.Name(), err)
		}
		if start >= f.size { // the file has grown
			break
		}
		if end, err = f.file.Seek(start, seekHole); err != nil {
			return nil, fmt.Errorf("finding holes in %q: %w", f.file.Name(), err)
		}
		end = min(end, f.size)
		extents = append(extents, Extent{start, end - start})
	}
	return extents, nil
}
