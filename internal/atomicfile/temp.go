package atomicfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// temp is an open file, mode 0600, in the folder of the target.
type temp struct {
	*os.File
	name string                 // its temporary name, or empty while it has none
	give func() (string, error) // gives one to a file without; nil if it has one
}

// openNamed opens a temp that has a name from the start.
func openNamed(dir, stem string) (temp, error) {
	for {
		name := filepath.Join(dir, tempName(stem))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		return temp{File: f, name: name}, err
	}
}

// settle makes sure that the file has a temporary name, which then must be
// renamed or removed.
func (t *temp) settle() error {
	if t.give == nil {
		return nil
	}
	name, err := t.give()
	if err != nil {
		return err
	}
	t.name, t.give = name, nil
	return nil
}

// remove closes the file and makes it vanish.
func (t *temp) remove() error {
	err := t.Close()
	if errors.Is(err, fs.ErrClosed) {
		err = nil
	}
	if t.name == "" {
		return err
	}
	return errors.Join(err, os.Remove(t.name))
}

// tempName returns a fresh hidden name that shows what it was to become.
func tempName(stem string) string {
	return "." + stem[:min(len(stem), maxStem)] + "." + rand.Text()[:10] + ".tmp"
}
