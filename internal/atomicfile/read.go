package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// ReadFile returns the content of a regular file of at most limit bytes. The
// last part of path may not be a symbolic link, and nothing that is not a
// regular file is read or waited for. An error names path; errors.Is finds
// fs.ErrNotExist and fs.ErrPermission.
func ReadFile(path string, limit int64) ([]byte, error) {
	// O_NONBLOCK: opening a named pipe would otherwise wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("reading %q: it is a symbolic link, only a regular file is read", path)
	}
	if err != nil {
		return nil, failure("reading", path, err)
	}
	defer func() { _ = f.Close() }() // nothing was written

	info, err := f.Stat()
	if err != nil {
		return nil, failure("reading", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %q: it is %s, only a regular file is read", path, kind(info.Mode()))
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("reading %q: %d bytes, at most %d are allowed", path, info.Size(), limit)
	}
	// The file may grow while it is read.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, failure("reading", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("reading %q: more than the %d bytes that are allowed", path, limit)
	}
	return data, nil
}
