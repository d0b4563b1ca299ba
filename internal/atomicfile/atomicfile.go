// Package atomicfile writes files that are either there whole or not there at
// all, and reads files without following symbolic links.
//
// A file is written in the folder of its target, with mode 0600 and without a
// name where the system can do that, else under a temporary one that starts
// with a dot and ends in ".tmp". It takes the target's name only when it is
// complete. After an error nothing of it is left; after a crash at any moment
// the target is the old file or the new one. Targets that are symbolic links or
// anything else but regular files are refused.
//
// Functions may be called concurrently, also for one target: the last to
// finish wins.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxStem bounds the part of the target's name that the temporary name
// repeats, in bytes: names longer than 255 are refused by Linux file systems.
const maxStem = 200

// Write makes path a file with exactly this content and mode, whatever the
// umask, and returns when it is on the disk. An error names path.
func Write(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, true)
}

// WriteNoSync is Write without waiting for the disk: after a power cut the
// file may be empty. It is for outputs that can be made again.
func WriteNoSync(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, false)
}

func write(path string, data []byte, perm fs.FileMode, sync bool) error {
	f, err := create(path, perm, sync, openTemp)
	if err != nil {
		return err
	}
	return f.fill(data)
}

// fill writes the one content that the file is to have.
func (f *File) fill(data []byte) error {
	if _, err := f.Write(data); err != nil {
		_ = f.Close() // the write's error is the one to report
		return err
	}
	return f.Commit()
}

// File is a file in the making. It is an io.Writer, io.WriterAt and io.Seeker;
// WriteAt may be called concurrently, the rest not.
type File struct {
	path string
	perm fs.FileMode
	sync bool
	temp *temp // nil after Commit or Close

	place func(from, to string) error // gives the complete file its name
}

// Create starts a file that Commit gives the name path. The folder must exist.
// The caller must call Close, which undoes everything unless Commit succeeded.
func Create(path string, perm fs.FileMode) (*File, error) {
	return create(path, perm, true, openTemp)
}

// CreateNoSync is Create without waiting for the disk, for big outputs that can
// be made again.
func CreateNoSync(path string, perm fs.FileMode) (*File, error) {
	return create(path, perm, false, openTemp)
}

func create(path string, perm fs.FileMode, sync bool, open func(dir, stem string) (temp, error)) (*File, error) {
	if err := checkTarget(path); err != nil {
		return nil, err
	}
	t, err := open(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return nil, failure("creating", path, err)
	}
	return &File{path: path, perm: perm, sync: sync, temp: &t, place: os.Rename}, nil
}

// Write appends at the current offset.
func (f *File) Write(p []byte) (int, error) {
	if f.temp == nil {
		return 0, failure("writing", f.path, fs.ErrClosed)
	}
	n, err := f.temp.Write(p)
	return n, failure("writing", f.path, err)
}

// WriteAt writes at an offset in bytes from the start; gaps read as zeros.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if f.temp == nil {
		return 0, failure("writing", f.path, fs.ErrClosed)
	}
	n, err := f.temp.WriteAt(p, off)
	return n, failure("writing", f.path, err)
}

// ReadAt reads back what was written, as io.ReaderAt says.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if f.temp == nil {
		return 0, failure("reading", f.path, fs.ErrClosed)
	}
	n, err := f.temp.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		return n, io.EOF
	}
	return n, failure("reading", f.path, err)
}

// Seek sets the offset of the next Write, as io.Seeker says.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	if f.temp == nil {
		return 0, failure("writing", f.path, fs.ErrClosed)
	}
	n, err := f.temp.Seek(offset, whence)
	return n, failure("writing", f.path, err)
}

// Commit gives the file its name and mode and closes it. After an error the
// target is as it was and nothing is left behind, except that an error of the
// folder's own fsync comes when the new file is already in place.
func (f *File) Commit() error {
	if f.temp == nil {
		return failure("writing", f.path, fs.ErrClosed)
	}
	if err := f.finish(); err != nil {
		_ = f.Close() // the first error is the one to report
		return failure("writing", f.path, err)
	}
	f.temp = nil
	if !f.sync {
		return nil
	}
	return failure("writing", f.path, syncDir(filepath.Dir(f.path)))
}

func (f *File) finish() error {
	if f.sync {
		if err := f.temp.Sync(); err != nil {
			return err
		}
	}
	if err := f.temp.Chmod(f.perm); err != nil {
		return err
	}
	if err := f.temp.settle(); err != nil {
		return err
	}
	// Network file systems may report a failed write only here.
	if err := f.temp.Close(); err != nil {
		return err
	}
	// Looked at again: the target may have changed while the file was written.
	if err := checkTarget(f.path); err != nil {
		return err
	}
	return f.place(f.temp.name, f.path)
}

// Close drops a file that was not committed. It does nothing after Commit or
// an earlier Close, so it can be deferred.
func (f *File) Close() error {
	if f.temp == nil {
		return nil
	}
	err := f.temp.remove()
	f.temp = nil
	return failure("dropping", f.path, err)
}

// checkTarget refuses to replace anything but a regular file.
func checkTarget(path string) error {
	if base := filepath.Base(path); path == "" || base == "." || base == ".." || base == "/" {
		return fmt.Errorf("writing %q: not the name of a file", path)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failure("writing", path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("writing %q: it is %s, only a regular file is replaced", path, kind(info.Mode()))
	}
	return nil
}

// syncDir makes a rename in dir last. File systems that cannot sync a folder
// say EINVAL, and have nothing to sync.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// failure says what was done to which file. It drops the temporary name that
// the os package puts into its errors; errors.Is still finds the cause.
func failure(doing, path string, err error) error {
	if err == nil {
		return nil
	}
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &linkErr):
		err = linkErr.Err
	}
	return fmt.Errorf("%s %q: %w", doing, path, err)
}

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeDir:
		return "a folder"
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	default:
		return "a device"
	}
}
