package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

// Base is the archive of a base, as package base makes it: a file of its own
// that is not compressed.
type Base interface {
	io.ReadSeeker
	io.ReaderAt
}

// Extra is a path that the root has besides the base: a component's program, a
// link to it, or a container image. It belongs to root.
type Extra struct {
	Path   string
	Mode   fs.FileMode // permissions of a file; 0 means 0644
	Target string      // makes it a symbolic link
	Size   int64       // of the content, in bytes
	Open   func() (io.ReadCloser, error)
}

// RootOptions are what a root is made of.
type RootOptions struct {
	Base  Base
	Extra []Extra
	Date  time.Time // of the lock; no file is newer
}

// Root writes the root tree as a tar stream, and tells what it has. The bytes
// depend on the options alone. Contents are copied from the base as they are
// written, so memory does not grow with them.
func Root(ctx context.Context, w io.Writer, o RootOptions) (*Index, error) {
	if _, err := o.Base.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the base: %w", err)
	}
	t, err := scan(o.Base, o.Base)
	if err != nil {
		return nil, fmt.Errorf("reading the base: %w", err)
	}
	removed := t.remove()
	if err := errors.Join(t.factory(), t.fixed()); err != nil {
		return nil, fmt.Errorf("making the root tree: %w", err)
	}
	for _, x := range o.Extra {
		if err := t.addExtra(x); err != nil {
			return nil, fmt.Errorf("making the root tree: %w", err)
		}
	}
	if err := t.complete(); err != nil {
		return nil, fmt.Errorf("making the root tree: %w", err)
	}
	accounts, err := t.accounts()
	if err != nil {
		return nil, fmt.Errorf("making the root tree: %w", err)
	}
	nodes, err := t.write(ctx, w, o.Date)
	if err != nil {
		return nil, fmt.Errorf("writing the root tree: %w", err)
	}
	return &Index{Format: indexFormat, Nodes: nodes, Accounts: accounts, Removed: removed}, nil
}

// hosts is the same on every machine; names of nodes come from DNS.
const hosts = `127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
`

// fixed lays down what is the same whatever the packages say: the places where
// file systems are mounted, and files that would otherwise tell of the machine
// on which the base was made.
func (t entries) fixed() error {
	for dir, mode := range map[string]uint32{
		"/": 0o755, "/boot": 0o755, "/dev": 0o755, "/efi": 0o755, "/proc": 0o555, "/run": 0o755, "/sys": 0o555, "/tmp": 0o1777,
	} {
		if e, ok := t[dir]; ok && e.Kind != KindFolder {
			return fmt.Errorf("%s of the base is a %s", dir, e.Kind)
		}
		t[dir] = folder(dir, mode)
	}
	// Empty, not missing: systemd then makes one for the machine, but does not
	// take each boot of a new image for the first and enable units by presets.
	t["/etc/machine-id"] = file("/etc/machine-id", 0o444, nil)
	// As new as /usr, so that units for systems that were updated in place, which
	// write into /etc what then hides the next image's, see nothing to do.
	t["/etc/.updated"] = file("/etc/.updated", 0o644, nil)
	t["/etc/hosts"] = file("/etc/hosts", 0o644, []byte(hosts))
	t["/etc/resolv.conf"] = link("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
	delete(t, "/etc/hostname")
	return nil
}

// addExtra adds a program or the like.
func (t entries) addExtra(x Extra) error {
	if !path.IsAbs(x.Path) || path.Clean(x.Path) != x.Path {
		return fmt.Errorf("the path %q is not absolute and clean", x.Path)
	}
	if x.Target != "" {
		return t.put(link(x.Path, x.Target))
	}
	if x.Mode&^fs.ModePerm != 0 {
		return fmt.Errorf("%s: mode %v is more than permissions", x.Path, x.Mode)
	}
	if x.Mode == 0 {
		x.Mode = 0o644
	}
	return t.put(&entry{Node: Node{Path: x.Path, Kind: KindFile, Mode: bits(x.Mode), Size: x.Size}, open: x.Open})
}

// complete adds the folders that lead to what is there.
func (t entries) complete() error {
	for _, p := range slices.Sorted(maps.Keys(t)) {
		var wrong error
		parents(p, func(dir string) {
			if e, ok := t[dir]; !ok {
				t[dir] = folder(dir, 0o755)
			} else if e.Kind != KindFolder && wrong == nil {
				wrong = fmt.Errorf("%s is a %s, but there is %s below it", dir, e.Kind, p)
			}
		})
		if wrong != nil {
			return wrong
		}
	}
	return nil
}
