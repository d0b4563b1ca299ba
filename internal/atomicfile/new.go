package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
)

// WriteNew is [Write] for a file that must not exist yet: where anything has
// that name, it changes nothing and errors.Is finds fs.ErrExist.
func WriteNew(path string, data []byte, perm fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("writing %q: %w", path, fs.ErrExist)
	}
	f, err := create(path, perm, true, openTemp)
	if err != nil {
		return err
	}
	// Unlike a rename, a link never replaces what is there.
	f.place = func(from, to string) error {
		if err := os.Link(from, to); err != nil {
			return err
		}
		return os.Remove(from)
	}
	return f.fill(data)
}
