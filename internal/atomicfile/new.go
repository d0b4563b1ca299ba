package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteNew is [Write] for a file that must not exist yet: where anything has
// that name, it changes nothing and errors.Is finds fs.ErrExist.
func WriteNew(path string, data []byte, perm fs.FileMode) error {
	f, err := create(path, perm, true)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	err = errors.Join(f.temp.Sync(), f.temp.Chmod(perm))
	if err == nil {
		// Unlike a rename, a link never replaces what is there.
		err = os.Link(f.temp.Name(), path)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return failure("writing", path, err)
	}
	return failure("writing", path, syncDir(filepath.Dir(path)))
}
