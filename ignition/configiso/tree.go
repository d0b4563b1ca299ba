package configiso

import (
	"errors"
	"fmt"
	"strings"
)

// maxDepth is how many folders deep a volume may be; Rock Ridge allows more
// than the eight levels of ECMA-119.
const maxDepth = 32

// maxPath is the longest path that Rock Ridge allows, in bytes (RRIP 3.1).
const maxPath = 1023

// node is a record with the path that a mount shows it under. A folder's
// records of itself and its parent have the folder's own path.
type node struct {
	path string
	record
}

// naming is how the names on a volume are recorded.
type naming interface {
	// name returns the name that a mount shows, and r, changed if the volume says
	// elsewhere what r is. It sets flagAssociated for records that are not shown.
	name(d *disk, r record) (string, record, error)
}

var (
	_ naming = plainNames{}
	_ naming = jolietNames{}
	_ naming = (*rockRidgeNames)(nil)
)

// walker goes through the folders of a disk, each at most once.
type walker struct {
	*disk
	visit   func(node) error
	entries int
	seen    map[uint32]string // folders by first sector
	queue   []node
}

// walk calls visit for each record of the volume, breadth first.
func (d *disk) walk(visit func(node) error) error {
	w := walker{disk: d, visit: visit, seen: map[uint32]string{}}
	w.queue = []node{{record: d.root}}
	for len(w.queue) > 0 {
		folder := w.queue[0]
		w.queue = w.queue[1:]
		if other, ok := w.seen[folder.sector]; ok {
			return fmt.Errorf("sector %d: folder %q is the same as folder %q", folder.sector, folder.path, other)
		}
		w.seen[folder.sector] = folder.path
		if err := w.walkFolder(folder); err != nil {
			return fmt.Errorf("folder %q: %w", folder.path, err)
		}
	}
	return nil
}

func (w *walker) walkFolder(folder node) error {
	if folder.length == 0 || folder.length%sectorSize != 0 {
		return fmt.Errorf("sector %d: folder has %d bytes, which are not whole sectors", folder.sector, folder.length)
	}
	for i := uint32(0); i < folder.length/sectorSize; i++ {
		b, err := w.folderBytes(folder.sector+i, 0, sectorSize)
		if err != nil {
			return err
		}
		for at := 0; at < sectorSize && b[at] != 0; {
			r, err := parseRecord(b[at:])
			if err == nil {
				err = w.walkRecord(folder, r)
			}
			if err != nil {
				return fmt.Errorf("sector %d, byte %d: %w", folder.sector+i, at, err)
			}
			at += r.size
		}
	}
	return nil
}

func (w *walker) walkRecord(folder node, r record) error {
	if r.isDot() {
		return w.visit(node{folder.path, r})
	}
	if w.entries++; w.entries > maxEntries {
		return fmt.Errorf("volume has more than %d files and folders", maxEntries)
	}
	name, r, err := w.names.name(w.disk, r)
	switch {
	case err != nil:
		return fmt.Errorf("record %q: %w", r.id, err)
	case r.flags&flagAssociated != 0: // an appendix of a file, not shown by Linux
		return nil
	}
	if err := checkReadName(name); err != nil {
		return fmt.Errorf("record %q: %w", r.id, err)
	}
	n := node{join(folder.path, name), r}
	switch {
	case len(n.path) > maxPath:
		return fmt.Errorf("record %q: path has %d bytes (at most %d)", r.id, len(n.path), maxPath)
	case r.flags&flagMultiExtent != 0:
		return fmt.Errorf("file %q has several extents, which is not supported", n.path)
	case r.isFolder() && strings.Count(n.path, "/") >= maxDepth:
		return fmt.Errorf("folder %q is more than %d folders deep", n.path, maxDepth)
	case r.isFolder():
		w.queue = append(w.queue, n)
	}
	return w.visit(n)
}

// checkReadName refuses names that no mount could show and that would be
// dangerous as part of a path.
func checkReadName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("name %q is not allowed", name)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("name %q contains a slash or a zero byte", name)
	}
	return nil
}

// folderBytes reads what belongs to a folder. Folders may lie over each other on
// a hostile volume, so it is counted what is read, not what is there.
func (d *disk) folderBytes(sector uint32, offset, length int64) ([]byte, error) {
	if d.budget -= length; d.budget < 0 {
		return nil, errors.New("folders are larger than a volume of this kind can need")
	}
	return d.bytes(sector, offset, length)
}
