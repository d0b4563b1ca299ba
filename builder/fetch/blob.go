package fetch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Store reads a file of the given SHA-256 and size in bytes into the cache.
// Where the cache has it already, open is not called. A file in the cache that
// is damaged is dropped and read again. Content that is not what the hash says
// is refused.
func (c *Cache) Store(sum string, size int64, open func() (io.ReadCloser, error)) (err error) {
	switch err := c.Verify(sum, size); {
	case err == nil:
		return nil
	case errors.Is(err, errCorrupt):
		if err := os.RemoveAll(c.Path(sum)); err != nil {
			return fmt.Errorf("dropping a damaged file: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the cache: %w", err)
	}
	if err := c.room(size); err != nil {
		return err
	}
	dir, release, err := c.workspace()
	if err != nil {
		return err
	}
	defer release()
	path := filepath.Join(dir, sum)
	if err := save(path, size, open); err != nil {
		return err
	}
	if err := c.take(path, sum, size); errors.Is(err, errCorrupt) {
		return fmt.Errorf("what came is not what SHA-256 %s names", sum)
	} else if err != nil {
		return fmt.Errorf("filling the cache: %w", err)
	}
	return nil
}

// save writes what open gives into a new file, up to one byte more than the
// size, which is enough to see that it is too long.
func save(path string, size int64, open func() (io.ReadCloser, error)) error {
	in, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // nothing was written
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("filling the cache: %w", err)
	}
	_, err = io.Copy(out, io.LimitReader(in, size+1))
	if cerr := out.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("filling the cache: %w", cerr)
	}
	return err
}
