// Package fetch brings what a lock names into the cache: a plain folder of
// files named by their SHA-256. Several runs may share it. What is in it is
// checked on every read, so nothing in it has to be trusted.
package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Cache is a folder of files named by the SHA-256 of their content.
type Cache struct{ dir string }

// DefaultDir is $XDG_CACHE_HOME/ingot, or what the system has in its place.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	return filepath.Join(dir, "ingot"), nil
}

// OpenCache makes the folder where it is missing. What killed runs left in it
// is removed.
func OpenCache(dir string) (*Cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	c := &Cache{dir: dir}
	for _, d := range []string{c.blobs(), c.work()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("opening cache: %w", err)
		}
	}
	return c, c.sweep()
}

func (c *Cache) blobs() string { return filepath.Join(c.dir, "sha256") }
func (c *Cache) work() string  { return filepath.Join(c.dir, "tmp") }

// Path is where the cache has a file, if it does.
func (c *Cache) Path(sum string) string { return filepath.Join(c.blobs(), sum) }

// errCorrupt is a file in the cache whose content is not what its name says.
var errCorrupt = errors.New("its content is not what its name says")

// verify reads a file of the cache and compares: fs.ErrNotExist where it is
// missing, errCorrupt where it differs.
func (c *Cache) verify(sum string, size int64) error {
	return verifyFile(c.Path(sum), sum, size)
}

// verifyFile compares a file's size and SHA-256 with what they have to be.
func verifyFile(path, sum string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return errCorrupt
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != size {
		return errCorrupt
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return errCorrupt
	}
	return nil
}

// Verify reads a file of the cache and compares it with its size in bytes and
// its SHA-256: the error is fs.ErrNotExist where it is missing, and another
// where its content differs. A file that is as it has to be counts as used now
// (see package step).
func (c *Cache) Verify(sum string, size int64) error {
	if err := c.verify(sum, size); err != nil {
		return err
	}
	// The time is that of the kernel. Where it cannot be set, the file only
	// looks older than it is.
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, c.Path(sum), nil, unix.AT_SYMLINK_NOFOLLOW)
	return nil
}

// Dir is the cache's folder.
func (c *Cache) Dir() string { return c.dir }

// Add moves a file into the cache and returns its SHA-256 and size. The file
// is on the cache's file system: in a workspace.
func (c *Cache) Add(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("filling the cache: %w", err)
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, fmt.Errorf("filling the cache: %w", err)
	}
	sum = hex.EncodeToString(h.Sum(nil))
	if err = errors.Join(os.Chmod(path, 0o644), os.Rename(path, c.Path(sum))); err != nil {
		return "", 0, fmt.Errorf("filling the cache: %w", err)
	}
	return sum, size, nil
}

// Workspace makes a folder for one run on the cache's file system, open to
// other users. Release removes it; if the run is killed, the next one does.
func (c *Cache) Workspace() (dir string, release func(), err error) {
	dir, release, err = c.workspace()
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		release()
		return "", nil, fmt.Errorf("making a folder in the cache: %w", err)
	}
	return dir, release, nil
}

// take moves a complete file into the cache after checking it. The file is on
// the cache's file system.
func (c *Cache) take(path, sum string, size int64) error {
	if err := verifyFile(path, sum, size); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o644); err != nil {
		return err
	}
	return os.Rename(path, c.Path(sum))
}

// workspace makes a folder for one run. It is locked as long as the run lives,
// so that other runs leave it alone, and release removes it.
func (c *Cache) workspace() (dir string, release func(), err error) {
	// Between its making and its lock no other run may look at the folder.
	all, err := lockDir(c.work(), unix.LOCK_EX)
	if err != nil {
		return "", nil, fmt.Errorf("locking the cache: %w", err)
	}
	defer func() { _ = all.Close() }() // unlocks
	dir, err = os.MkdirTemp(c.work(), "run-")
	if err != nil {
		return "", nil, fmt.Errorf("making a folder in the cache: %w", err)
	}
	own, err := lockDir(dir, unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("locking a folder in the cache: %w", err), os.RemoveAll(dir))
	}
	return dir, func() {
		_ = os.RemoveAll(dir) // if not, the next run does
		_ = own.Close()
	}, nil
}

// lockDir locks a folder for this process. The kernel frees the lock when the
// process ends, however it ends.
func lockDir(dir string, how int) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweep removes the folders of runs that ended without doing so.
func (c *Cache) sweep() error {
	all, err := lockDir(c.work(), unix.LOCK_EX)
	if err != nil {
		return fmt.Errorf("locking the cache: %w", err)
	}
	defer func() { _ = all.Close() }() // unlocks
	dirs, err := os.ReadDir(c.work())
	if err != nil {
		return fmt.Errorf("tidying the cache: %w", err)
	}
	for _, d := range dirs {
		dir := filepath.Join(c.work(), d.Name())
		own, err := lockDir(dir, unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrPermission) {
			continue // gone, in use, or not ours
		}
		if err != nil {
			return fmt.Errorf("tidying the cache: %w", err)
		}
		err = os.RemoveAll(dir)
		if err = errors.Join(err, own.Close()); err != nil {
			return fmt.Errorf("tidying the cache: %w", err)
		}
	}
	return nil
}

// CopyTo gives a file of the cache another name, for all to read. What is there
// is compared with the size and SHA-256 on the way, from the copy itself, so
// that it cannot change in between.
func (c *Cache) CopyTo(path, sum string, size int64) error {
	in, err := os.Open(c.Path(sum))
	if err != nil {
		return fmt.Errorf("reading the cache: %w", err)
	}
	defer func() { _ = in.Close() }() // nothing was written
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("copying from the cache: %w", err)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), in)
	if err == nil {
		err = out.Chmod(0o644) // whatever the umask
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copying from the cache: %w", err)
	}
	if n != size || hex.EncodeToString(h.Sum(nil)) != sum {
		return fmt.Errorf("copying from the cache: %w", errCorrupt)
	}
	return nil
}
