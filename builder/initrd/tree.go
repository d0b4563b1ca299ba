package initrd

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
)

// entry is one file of a tar archive.
type entry struct {
	typ    byte // of tar: TypeReg, TypeDir, TypeSymlink
	mode   int64
	link   string // target of a symbolic link
	offset int64  // of the content in the archive
	size   int64
}

// tree finds the files of a tar archive without unpacking it.
type tree struct {
	archive io.ReaderAt
	files   map[string]entry // by path without a leading slash
}

// readTree reads the headers of an archive, which may be neither compressed nor
// sparse. Hard links are taken for what they lead to; devices are left out.
func readTree(archive io.ReaderAt, size int64) (*tree, error) {
	t := &tree{archive: archive, files: map[string]entry{}}
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
		name := clean(h.Name)
		e := entry{typ: h.Typeflag, mode: h.Mode & 0o777}
		switch h.Typeflag {
		case tar.TypeReg:
			// The reader of tar is where the content begins.
			if e.offset, err = raw.Seek(0, io.SeekCurrent); err != nil {
				return nil, fmt.Errorf("reading the base: %w", err)
			}
			e.size = h.Size
		case tar.TypeLink:
			to, ok := t.files[clean(h.Linkname)]
			if !ok {
				return nil, fmt.Errorf("reading the base: %q is a hard link to %q, which is not there before it", name, h.Linkname)
			}
			e = to
		case tar.TypeSymlink:
			e.link = h.Linkname
		case tar.TypeDir:
		default:
			continue
		}
		if name != "" {
			t.files[name] = e
		}
	}
}

// clean is the key of a path.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// maxLinks is how many symbolic links a path may lead through, as in Linux.
const maxLinks = 40

// resolve follows all symbolic links of a path. It returns the path that they
// lead to and the links that were followed.
func (t *tree) resolve(name string) (real string, links []string, err error) {
	rest := strings.Split(clean(name), "/")
	at := ""
	for len(rest) > 0 {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		e, ok := t.files[next]
		if !ok {
			return "", nil, fmt.Errorf("the base has no %q", "/"+clean(name))
		}
		if e.typ != tar.TypeSymlink {
			at = next
			continue
		}
		links = append(links, next)
		if len(links) > maxLinks {
			return "", nil, fmt.Errorf("the base has too many links at %q", "/"+clean(name))
		}
		target := e.link
		if !path.IsAbs(target) {
			target = path.Join("/", path.Dir(next), target)
		}
		rest = append(strings.Split(clean(target), "/"), rest...)
		at = ""
	}
	return at, links, nil
}

// has reports whether a path leads to something.
func (t *tree) has(name string) bool {
	_, _, err := t.resolve(name)
	return err == nil
}

// open returns the content of a regular file.
func (t *tree) open(name string) (*io.SectionReader, error) {
	real, _, err := t.resolve(name)
	if err != nil {
		return nil, err
	}
	e := t.files[real]
	if e.typ != tar.TypeReg {
		return nil, fmt.Errorf("%q of the base is no regular file", "/"+real)
	}
	return io.NewSectionReader(t.archive, e.offset, e.size), nil
}

// read returns the content of a regular file in memory.
func (t *tree) read(name string) ([]byte, error) {
	r, err := t.open(name)
	if err != nil {
		return nil, err
	}
	data := make([]byte, r.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("reading %q of the base: %w", "/"+clean(name), err)
	}
	return data, nil
}

// list names what is in a folder, in order.
func (t *tree) list(dir string) []string {
	real, _, err := t.resolve(dir)
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
