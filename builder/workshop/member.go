package workshop

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"
	"time"
)

// member is a path of an archive. Its content is read from the archive.
type member struct {
	header tar.Header
	at     io.ReaderAt
	offset int64 // of the content, in bytes
}

// index reads the members of an archive that is not compressed. A hard link
// becomes a file with the same content.
func index(in Base) (map[string]*member, error) {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	out := map[string]*member{}
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		p := path.Clean("/" + h.Name)
		m := &member{header: *h, at: in}
		if h.Typeflag == tar.TypeLink {
			target, ok := out[path.Clean("/"+h.Linkname)]
			if !ok {
				return nil, fmt.Errorf("%s is a hard link to %q, which is not before it", p, h.Linkname)
			}
			*m = *target
			m.header.Name = h.Name
		} else if m.offset, err = in.Seek(0, io.SeekCurrent); err != nil { // the reader has read headers alone
			return nil, err
		}
		out[p] = m
	}
}

// kind is the type of what an image may have, else 0.
func (m *member) kind() byte {
	switch m.header.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
		return m.header.Typeflag
	}
	return 0
}

// xattrPrefix is how PAX records of extended attributes begin.
const xattrPrefix = "SCHILY.xattr."

// xattrs are the extended attributes that an image has: access lists are not
// among them.
func (m *member) xattrs() map[string]string {
	out := map[string]string{}
	for name, value := range m.header.PAXRecords {
		if strings.HasPrefix(name, xattrPrefix) && !strings.HasPrefix(name, xattrPrefix+"system.posix_acl_") {
			out[name] = value
		}
	}
	return out
}

// content reads the content.
func (m *member) content() io.Reader { return io.NewSectionReader(m.at, m.offset, m.header.Size) }

// same reports whether two members are the same but for their times.
func (m *member) same(o *member) (bool, error) {
	a, b := m.header, o.header
	if a.Typeflag != b.Typeflag || a.Uid != b.Uid || a.Gid != b.Gid || a.Linkname != b.Linkname || a.Size != b.Size {
		return false, nil
	}
	if a.Typeflag != tar.TypeSymlink && a.Mode&0o7777 != b.Mode&0o7777 || !maps.Equal(m.xattrs(), o.xattrs()) {
		return false, nil
	}
	x, err := m.sum()
	if err != nil {
		return false, err
	}
	y, err := o.sum()
	return x == y, err
}

func (m *member) sum() (out [sha256.Size]byte, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, m.content()); err != nil {
		return out, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// write writes the member with a canonical header.
func (m *member) write(w *tar.Writer, date time.Time) error {
	h := &tar.Header{
		Format: tar.FormatPAX, Typeflag: m.header.Typeflag, Name: m.header.Name, Linkname: m.header.Linkname, Size: m.header.Size,
		Mode: m.header.Mode & 0o7777, Uid: m.header.Uid, Gid: m.header.Gid, ModTime: date.UTC().Truncate(time.Second),
		Devmajor: m.header.Devmajor, Devminor: m.header.Devminor, PAXRecords: m.xattrs(),
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(w, m.content())
	return err
}
