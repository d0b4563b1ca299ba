package initrd

import (
	"fmt"
	"io"
	"path"
	"sort"
)

// Modes of files, as in stat(2).
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeLink = 0o120000
)

// node is a file of the initrd. All belong to root and have no time.
type node struct {
	mode uint32
	size int64
	open func() (io.Reader, error) // of a file or, as its content, a link's target
}

// archive is what is in the initrd, by path without a leading slash.
type archive map[string]node

// newc is the header of a file in the format that Linux unpacks, as written
// in its Documentation/driver-api/early-userspace/buffer-format.rst: inode,
// mode, owner, group, links, time, size, numbers of devices, length of the
// name with its zero, no checksum.
const newc = "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X"

// trailer is the name of the last entry.
const trailer = "TRAILER!!!"

// write writes the files, folders before what is in them.
func (a archive) write(w io.Writer) error {
	for name := range a {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if n, ok := a[dir]; !ok {
				return fmt.Errorf("writing initrd: %q has no folder", "/"+name)
			} else if n.mode&modeDir != modeDir {
				return fmt.Errorf("writing initrd: %q is in %q, which is no folder", "/"+name, "/"+dir)
			}
		}
	}
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	sort.Strings(names)
	c := &counter{w: w}
	for i, name := range names {
		if err := c.entry(i+1, name, a[name]); err != nil {
			return fmt.Errorf("writing initrd: %q: %w", "/"+name, err)
		}
	}
	if err := c.entry(0, trailer, node{}); err != nil {
		return fmt.Errorf("writing initrd: %w", err)
	}
	return nil
}

// counter knows how much was written, for padding.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// pad fills up to a multiple of 4 bytes.
func (c *counter) pad() error {
	_, err := c.Write(make([]byte, (4-c.n%4)%4))
	return err
}

func (c *counter) entry(inode int, name string, n node) error {
	if n.size > 1<<32-1 {
		return fmt.Errorf("its size of %d bytes is more than the format has room for", n.size)
	}
	if _, err := fmt.Fprintf(c, newc, inode, n.mode, 0, 0, 1, 0, n.size, 0, 0, 0, 0, len(name)+1, 0); err != nil {
		return err
	}
	if _, err := io.WriteString(c, name+"\x00"); err != nil {
		return err
	}
	if err := c.pad(); err != nil {
		return err
	}
	if n.open == nil {
		return nil
	}
	r, err := n.open()
	if err != nil {
		return err
	}
	copied, err := io.Copy(c, r)
	if err != nil {
		return err
	}
	if copied != n.size {
		return fmt.Errorf("it has %d bytes, not %d", copied, n.size)
	}
	return c.pad()
}
