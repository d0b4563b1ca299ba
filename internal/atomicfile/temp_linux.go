package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// openTemp opens a file in dir that has no name yet, so that a killed process
// leaves nothing behind. File systems that cannot do that, and machines
// without /proc, get a named one.
func openTemp(dir, stem string) (temp, error) {
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	if err != nil {
		return openNamed(dir, stem)
	}
	t := temp{File: f, give: func() (string, error) { return link(f, dir, stem) }}
	if _, err := os.Lstat(descriptor(f)); err != nil {
		_ = f.Close() // nothing was written
		return openNamed(dir, stem)
	}
	return t, nil
}

// link gives f a temporary name: open(2) has this way under O_TMPFILE.
func link(f *os.File, dir, stem string) (string, error) {
	for {
		name := filepath.Join(dir, tempName(stem))
		err := unix.Linkat(unix.AT_FDCWD, descriptor(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}

func descriptor(f *os.File) string {
	return "/proc/self/fd/" + strconv.FormatUint(uint64(f.Fd()), 10)
}
