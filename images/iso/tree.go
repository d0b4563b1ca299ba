package iso

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/images"
)

// Limits of level 2 (7.5.1, 7.6.3, 6.8.2.1; 10.2).
const (
	maxName   = 30 // letters of a file's name and its extension, without the dot
	maxLevels = 8
)

// allowed are the d-characters (7.4.1).
const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

func valid(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, allowed) == ""
}

// node is a folder or a file.
type node struct {
	path      string // as it was given
	id        string // as records have it
	base, ext string // the parts of a file's name, by which it is sorted
	content   images.Source

	offset, size int64
	parent       *node
	children     []*node
	names        map[string]*node // of a folder
	number       int              // of a folder: its place in the path table, from 1 on
}

func (n *node) folder() bool { return n.names != nil }

// plant makes a tree of the files.
func plant(files []File) (*node, error) {
	root := &node{id: "\x00", names: map[string]*node{}}
	root.parent = root // 6.8.2.2
	for _, f := range files {
		at := root
		parts := strings.Split(f.Path, "/")
		if len(parts) > maxLevels {
			return nil, fmt.Errorf("file %q: has %d parts, at most %d", f.Path, len(parts), maxLevels)
		}
		for i, part := range parts {
			last := i == len(parts)-1
			child, err := newNode(part, last)
			if err != nil {
				return nil, fmt.Errorf("file %q: %w", f.Path, err)
			}
			key := child.base + "." + child.ext
			old, is := at.names[key]
			if is && (last || !old.folder()) {
				return nil, fmt.Errorf("file %q: is there twice, or lies in a file", f.Path)
			}
			if !is {
				child.parent, child.path = at, f.Path
				if last {
					child.content, child.offset, child.size = f.Content, f.Offset, f.Size
				}
				at.names[key] = child
				at.children = append(at.children, child)
				old = child
			}
			at = old
		}
	}
	return root, nil
}

// newNode is a file or folder with a name.
func newNode(name string, file bool) (*node, error) {
	up := strings.ToUpper(name)
	n := &node{base: up}
	if !file {
		n.id, n.names = up, map[string]*node{}
		if !valid(up, maxName) {
			return nil, fmt.Errorf("folder %q: has to be 1 to %d letters, digits and \"_\"", name, maxName)
		}
		return n, nil
	}
	n.base, n.ext, _ = strings.Cut(up, ".")
	if !valid(n.base+n.ext, maxName) {
		return nil, fmt.Errorf("name %q: has to be 1 to %d letters, digits and \"_\", and may have a dot", name, maxName)
	}
	n.id = n.base + "." + n.ext + ";1" // 7.5.1: the dot is there even without an extension
	return n, nil
}

// breadthFirst sorts the tree and lists its folders as the path table has them
// (6.9.1): by level, by the parent's number, by name.
func (n *node) breadthFirst() []*node {
	all := []*node{n}
	for i := 0; i < len(all); i++ {
		f := all[i]
		f.number = i + 1
		// 9.3: names are compared as if blanks filled them up, which come before
		// all that is allowed.
		slices.SortFunc(f.children, func(a, b *node) int {
			return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.ext, b.ext))
		})
		for _, c := range f.children {
			if c.folder() {
				all = append(all, c)
			}
		}
	}
	return all
}

// find finds a file by its path.
func (v *volume) find(path string) (*node, error) {
	for _, n := range v.files() {
		if strings.EqualFold(n.path, path) {
			return n, nil
		}
	}
	return nil, errors.New("no file of the volume has this path")
}
