// Package basefs reads files of a base without unpacking it: following links,
// and finding the libraries that programs need.
package basefs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
)

// Entry is one file of an archive.
type Entry struct {
	Type byte   // of tar: TypeReg, TypeDir or TypeSymlink
	Mode uint32 // permissions
	Link string // target of a symbolic link

	offset, size int64 // of the content in the archive
}

// FS is the files of a tar archive. Paths may begin with a slash or not.
type FS struct {
	archive io.ReaderAt
	files   map[string]Entry // by path without a leading slash
}

// Read reads the headers of an archive, which may be neither compressed nor
// sparse. Hard links are taken for what they lead to; devices are left out.
func Read(archive io.ReaderAt, size int64) (*FS, error) {
	t := &FS{archive: archive, files: map[string]Entry{}}
	raw := io.NewSectionReader(archive, 0, size)
	r := tar.NewReader(raw)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the base: %w", err)
		}
		name := Clean(h.Name)
		e := Entry{Type: h.Typeflag, Mode: uint32(h.Mode & 0o777)}
		switch h.Typeflag {
		case tar.TypeReg:
			// The reader of tar is where the content begins.
			if e.offset, err = raw.Seek(0, io.SeekCurrent); err != nil {
				return nil, fmt.Errorf("reading the base: %w", err)
			}
			e.size = h.Size
		case tar.TypeLink:
			to, ok := t.files[Clean(h.Linkname)]
			if !ok {
				return nil, fmt.Errorf("reading the base: %q is a hard link to %q, which is not there before it", name, h.Linkname)
			}
			e = to
		case tar.TypeSymlink:
			e.Link = h.Linkname
		case tar.TypeDir:
		default:
			continue
		}
		if name != "" {
			t.files[name] = e
		}
	}
}

// Clean is a path without a leading slash.
func Clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// maxLinks is how many symbolic links a path may lead through, as in Linux.
const maxLinks = 40

// Resolve follows all symbolic links of a path. It returns the path that they
// lead to and the links that were followed.
func (t *FS) Resolve(name string) (real string, links []string, err error) {
	rest := strings.Split(Clean(name), "/")
	at := ""
	for len(rest) > 0 {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		e, ok := t.files[next]
		if !ok {
			return "", nil, fmt.Errorf("the base has no %q", "/"+Clean(name))
		}
		if e.Type != tar.TypeSymlink {
			at = next
			continue
		}
		links = append(links, next)
		if len(links) > maxLinks {
			return "", nil, fmt.Errorf("the base has too many links at %q", "/"+Clean(name))
		}
		target := e.Link
		if !path.IsAbs(target) {
			target = path.Join("/", path.Dir(next), target)
		}
		rest = append(strings.Split(Clean(target), "/"), rest...)
		at = ""
	}
	return at, links, nil
}

// Has reports whether a path leads to something.
func (t *FS) Has(name string) bool {
	_, _, err := t.Resolve(name)
	return err == nil
}

// Open returns the content of a regular file.
func (t *FS) Open(name string) (*io.SectionReader, error) {
	real, _, err := t.Resolve(name)
	if err != nil {
		return nil, err
	}
	e := t.files[real]
	if e.Type != tar.TypeReg {
		return nil, fmt.Errorf("%q of the base is no regular file", "/"+real)
	}
	return io.NewSectionReader(t.archive, e.offset, e.size), nil
}

// ReadFile returns the content of a regular file in memory.
func (t *FS) ReadFile(name string) ([]byte, error) {
	r, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	data := make([]byte, r.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("reading %q of the base: %w", "/"+Clean(name), err)
	}
	return data, nil
}

// List names what is in a folder, in order.
func (t *FS) List(dir string) []string {
	real, _, err := t.Resolve(dir)
	if err != nil {
		return nil
	}
	var names []string
	for name := range t.files {
		if path.Dir(name) == real {
			names = append(names, path.Base(name))
		}
	}
	sort.Strings(names)
	return names
}

// Lookup gives what is at a path, whose links are not followed.
func (t *FS) Lookup(name string) (Entry, bool) {
	e, ok := t.files[Clean(name)]
	return e, ok
}
