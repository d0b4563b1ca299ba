package boot

import (
	"fmt"
	"io"
)

// Target is a disk that is written to.
type Target interface {
	io.WriterAt
	// ReadAt reads what is on the disk itself, and from no cache, what was
	// written before the last Sync.
	io.ReaderAt
	// Sync returns when all that was written is on the disk.
	Sync() error
}

// Source is the image on the medium.
type Source struct {
	io.ReaderAt
	Size   int64  // bytes
	SHA256 string // hexadecimal
}

// Fault is what is wrong with a disk or a medium at a place.
type Fault struct {
	Doing  string // such as "reading"
	Offset int64  // bytes
	Err    error
}

// Error names the offset.
func (f *Fault) Error() string { return fmt.Sprintf("%s at offset %d: %v", f.Doing, f.Offset, f.Err) }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }
