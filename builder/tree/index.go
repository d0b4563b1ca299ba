package tree

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
)

// indexFormat is the version of the index's format.
const indexFormat = 1

// Index is what a tree has: every path with its attributes and the hash of its
// content. It serves to lay the cluster's tree over the root's with the same
// attributes, to tell which file differs between two trees, and to tell what
// takes room.
type Index struct {
	Format   int       `json:"format"`
	Nodes    []Node    `json:"nodes"` // ordered by path
	Accounts *Accounts `json:"accounts,omitempty"`
	Removed  []Removed `json:"removed,omitempty"`
}

// Removed is a kind of files that the root does not have, though the base does.
type Removed struct {
	What  string `json:"what"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"` // without compression
}

// Find finds a path.
func (x *Index) Find(path string) (Node, bool) {
	i := sort.Search(len(x.Nodes), func(i int) bool { return x.Nodes[i].Path >= path })
	if i == len(x.Nodes) || x.Nodes[i].Path != path {
		return Node{}, false
	}
	return x.Nodes[i], true
}

// Write writes the index as JSON, one path a line.
func (x *Index) Write(w io.Writer) error {
	accounts, err := json.Marshal(x.Accounts)
	if err != nil {
		return err
	}
	removed, err := json.Marshal(x.Removed)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "{\"format\":%d,\n\"accounts\":%s,\n\"removed\":%s,\n\"nodes\":[", indexFormat, accounts, removed); err != nil {
		return err
	}
	for i, n := range x.Nodes {
		line, err := json.Marshal(n)
		if err != nil {
			return err
		}
		comma := ","
		if i == 0 {
			comma = ""
		}
		if _, err := fmt.Fprintf(w, "%s\n%s", comma, line); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

// ReadIndex reads what [Index.Write] has written.
func ReadIndex(r io.Reader) (*Index, error) {
	var x Index
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return nil, fmt.Errorf("reading the index of a tree: %w", err)
	}
	if x.Format != indexFormat {
		return nil, fmt.Errorf("reading the index of a tree: format %d, want %d", x.Format, indexFormat)
	}
	if !sort.SliceIsSorted(x.Nodes, func(i, j int) bool { return x.Nodes[i].Path < x.Nodes[j].Path }) {
		return nil, fmt.Errorf("reading the index of a tree: its paths are out of order")
	}
	return &x, nil
}

// Difference is a path in which two trees differ.
type Difference struct {
	Path string
	How  string // a few words, such as "content" or "mode 0644, was 0755"
}

// Diff lists the paths in which a tree differs from the one that it was,
// ordered by path.
func Diff(was, is *Index) []Difference {
	var out []Difference
	i, j := 0, 0
	for i < len(was.Nodes) || j < len(is.Nodes) {
		switch {
		case j == len(is.Nodes) || i < len(was.Nodes) && was.Nodes[i].Path < is.Nodes[j].Path:
			out = append(out, Difference{was.Nodes[i].Path, "is missing"})
			i++
		case i == len(was.Nodes) || is.Nodes[j].Path < was.Nodes[i].Path:
			out = append(out, Difference{is.Nodes[j].Path, "is new"})
			j++
		default:
			if how := differs(was.Nodes[i], is.Nodes[j]); how != "" {
				out = append(out, Difference{is.Nodes[j].Path, how})
			}
			i, j = i+1, j+1
		}
	}
	return out
}

func differs(a, b Node) string {
	switch {
	case a.Kind != b.Kind:
		return fmt.Sprintf("%s, was %s", b.Kind, a.Kind)
	case a.Mode != b.Mode:
		return fmt.Sprintf("mode %04o, was %04o", b.Mode, a.Mode)
	case a.UID != b.UID || a.GID != b.GID:
		return fmt.Sprintf("owner %d:%d, was %d:%d", b.UID, b.GID, a.UID, a.GID)
	case a.Target != b.Target:
		return fmt.Sprintf("target %q, was %q", b.Target, a.Target)
	case a.Size != b.Size:
		return fmt.Sprintf("%d bytes, was %d", b.Size, a.Size)
	case a.SHA256 != b.SHA256:
		return "content"
	case fmt.Sprint(a.Xattrs) != fmt.Sprint(b.Xattrs):
		return "extended attributes"
	}
	return ""
}
