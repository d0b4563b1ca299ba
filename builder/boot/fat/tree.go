package fat

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	"github.com/ingot-k8s/ingot/images"
)

const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

const (
	rootCluster = 2          // the first one there is
	lastCluster = 0x0fffffff // ends a chain
	entrySize   = 32         // bytes of an entry in a folder

	attrLabel  = 0x08
	attrFolder = 0x10
	attrFile   = 0x20

	// Marks of names whose letters are lower case, as Windows NT sets them.
	lowerBase = 0x08
	lowerExt  = 0x10

	date = 1<<5 | 1 // 1980-01-01
)

// node is a folder or file.
type node struct {
	name     [11]byte // upper case, padded with blanks
	lower    byte
	path     string        // of a file
	content  images.Source // of a file
	children []*node       // of a folder, in order
	names    map[string]*node
	cluster  uint32
	size     int64
}

func (n *node) folder() bool { return n.names != nil }

// plant makes a tree of the files.
func plant(files []File) (*node, error) {
	root := &node{names: map[string]*node{}}
	for _, f := range files {
		at := root
		parts := strings.Split(f.Path, "/")
		for i, part := range parts {
			name, lower, err := shortName(part)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", f.Path, err)
			}
			child, ok := at.names[string(name[:])]
			last := i == len(parts)-1
			if ok && (last || !child.folder()) {
				return nil, fmt.Errorf("%q is there twice", f.Path)
			}
			if !ok {
				child = &node{name: name, lower: lower}
				if last {
					child.path, child.content = f.Path, f.Content
				} else {
					child.names = map[string]*node{}
				}
				at.names[string(name[:])] = child
				at.children = append(at.children, child)
			}
			at = child
		}
	}
	return root, nil
}

// shortName is the form in which folders have a name, and how to show it.
func shortName(s string) (name [11]byte, lower byte, err error) {
	base, ext, dot := strings.Cut(s, ".")
	if base == "" || len(base) > 8 || len(ext) > 3 || dot && ext == "" {
		return name, 0, fmt.Errorf("name %q is not of the form 8.3", s)
	}
	for part, mark := range map[*string]byte{&base: lowerBase, &ext: lowerExt} {
		up := strings.ToUpper(*part)
		if strings.Trim(up, allowed) != "" || *part != up && *part != strings.ToLower(*part) {
			return name, 0, fmt.Errorf("name %q has other than %s, or upper and lower case", s, allowed)
		}
		if *part != up {
			lower |= mark
			*part = up
		}
	}
	copy(name[:], fmt.Sprintf("%-8s%-3s", base, ext))
	return name, lower, nil
}

// extent is content that begins at a cluster.
type extent struct {
	path    string // of a file
	cluster uint32
	content images.Source
}

// build gives clusters to files, one after the other.
type build struct {
	label   string
	next    uint32
	align   int64  // of files
	skipped uint32 // clusters that are free for that
	extents []extent
	chains  [][2]uint32 // first cluster and the one after the last
}

// take reserves room for size bytes.
func (b *build) take(size int64) (uint32, error) {
	n := (size + clusterSize - 1) / clusterSize
	if int64(b.next)+n > maxClusters {
		return 0, fmt.Errorf("content of %d bytes does not fit", size)
	}
	first := b.next
	b.next += uint32(n)
	b.chains = append(b.chains, [2]uint32{first, b.next})
	return first, nil
}

// skip leaves clusters free until the next one is where a file may begin.
func (b *build) skip() {
	for int64(b.next-rootCluster)*clusterSize%b.align != 0 && b.align > clusterSize {
		b.next++
		b.skipped++
	}
}

// place gives clusters to a folder and to all in it.
func (b *build) place(n, parent *node) error {
	sort.Slice(n.children, func(x, y int) bool { return string(n.children[x].name[:]) < string(n.children[y].name[:]) })
	var err error
	// The label in the root, the two dots elsewhere, and an end.
	n.size = int64(len(n.children)+3) * entrySize
	if n.cluster, err = b.take(n.size); err != nil {
		return err
	}
	for _, child := range n.children {
		if child.folder() {
			err = b.place(child, n)
		} else if child.size = child.content.Size(); child.size > 1<<32-1 {
			err = fmt.Errorf("a file of %d bytes: at most 4 GiB", child.size)
		} else if child.size > 0 { // an empty file has no cluster
			b.skip()
			child.cluster, err = b.take(child.size)
			b.extents = append(b.extents, extent{child.path, child.cluster, child.content})
		}
		if err != nil {
			return err
		}
	}
	b.extents = append(b.extents, extent{"", n.cluster, images.Bytes(b.entries(n, parent))})
	return nil
}

// entries is the content of a folder.
func (b *build) entries(n, parent *node) []byte {
	var out []byte
	if parent == nil {
		var label [11]byte
		copy(label[:], fmt.Sprintf("%-11s", b.label))
		out = append(out, entry(label, 0, attrLabel, 0, 0)...)
	} else {
		up := parent.cluster
		if up == rootCluster {
			up = 0 // as the specification wants it for the root
		}
		out = append(out, entry([11]byte([]byte(".          ")), 0, attrFolder, n.cluster, 0)...)
		out = append(out, entry([11]byte([]byte("..         ")), 0, attrFolder, up, 0)...)
	}
	for _, child := range n.children {
		if child.folder() {
			out = append(out, entry(child.name, child.lower, attrFolder, child.cluster, 0)...)
		} else {
			out = append(out, entry(child.name, child.lower, attrFile, child.cluster, child.size)...)
		}
	}
	return out
}

// entry is a line of a folder.
func entry(name [11]byte, lower, attr byte, cluster uint32, size int64) []byte {
	e := make([]byte, entrySize)
	copy(e, name[:])
	e[11], e[12] = attr, lower
	for _, at := range []int{16, 18, 24} { // made, read, written
		binary.LittleEndian.PutUint16(e[at:], date)
	}
	binary.LittleEndian.PutUint16(e[20:], uint16(cluster>>16))
	binary.LittleEndian.PutUint16(e[26:], uint16(cluster))
	binary.LittleEndian.PutUint32(e[28:], uint32(size))
	return e
}

// table is what says which cluster comes after which.
func (b *build) table(g geometry) []byte {
	t := make([]byte, g.tableSize())
	put := func(cluster, value uint32) { binary.LittleEndian.PutUint32(t[cluster*4:], value) }
	put(0, 0x0fffff00|media)
	put(1, lastCluster)
	for _, c := range b.chains {
		for i := c[0]; i < c[1]; i++ {
			put(i, i+1)
		}
		put(c[1]-1, lastCluster)
	}
	return t
}
