package cluster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSource bounds a file that the definition names. An identity has to stay
// under 16 KiB; what is only baked into an image may be larger.
const maxSource = 1 << 20

// open gives the definition's folder as a root that nothing leads out of, not
// even a symbolic link.
func (v *validator) open() (*os.Root, error) {
	if v.root == nil {
		root, err := os.OpenRoot(v.dir)
		if err != nil {
			return nil, err
		}
		v.root = root
	}
	return v.root, nil
}

// local reports a path that does not lie below the definition's folder.
func (v *validator) local(path, s string) bool {
	if s == "" {
		return false // reported as empty
	}
	if !filepath.IsLocal(s) || filepath.Clean(s) != strings.TrimSuffix(s, "/") || !oneLine(s) {
		v.errorf(path, "%s is not a clean relative path below the folder of the definition", quoted(s))
		return false
	}
	return true
}

// source reads a file that the definition names. It reports what is wrong with it.
func (v *validator) source(path, s string) ([]byte, bool) {
	if !v.local(path, s) {
		return nil, false
	}
	data, err := v.read(s)
	if err != nil {
		v.errorf(path, "%s: %s", quoted(s), err)
		return nil, false
	}
	return data, true
}

func (v *validator) read(s string) ([]byte, error) {
	data, _, err := v.readUpTo(s, maxSource)
	return data, err
}

// readUpTo reads a file of at most so many bytes, and gives its mode.
func (v *validator) readUpTo(s string, most int64) ([]byte, fs.FileMode, error) {
	root, err := v.open()
	if err != nil {
		return nil, 0, sourceError(err)
	}
	// O_NONBLOCK: opening a named pipe would otherwise wait for a writer.
	f, err := root.OpenFile(s, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, sourceError(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, sourceError(err)
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("not a regular file")
	case info.Size() > most:
		return nil, 0, fmt.Errorf("%d bytes, at most %d are allowed", info.Size(), most)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("more than the %d bytes that are allowed", most)
	}
	return data, info.Mode(), sourceError(err)
}

// sourceError says what happened without the names of system calls.
func sourceError(err error) error {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no such file below the folder of the definition")
	case errors.As(err, &pathErr) && strings.Contains(pathErr.Err.Error(), "escapes"):
		return errors.New("a symbolic link leads out of the folder of the definition")
	case errors.As(err, &pathErr):
		return pathErr.Err
	}
	return err
}
