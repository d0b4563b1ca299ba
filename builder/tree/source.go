package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// entries are a tree in the making, by path.
type entries map[string]*entry

// put adds an entry that must be new.
func (t entries) put(e *entry) error {
	if _, ok := t[e.Path]; ok {
		return fmt.Errorf("%s is there already", e.Path)
	}
	t[e.Path] = e
	return nil
}

// scan reads the list of a base's archive. Contents stay where they are and
// are opened by their offset. A hard link becomes a file with the same content,
// which squashfs stores once all the same: then a link and its target can be
// moved and ordered on their own. Sockets, pipes and devices are left out; the
// kernel makes those of /dev.
func scan(base io.ReadSeeker, at io.ReaderAt) (entries, error) {
	out := entries{}
	r := tar.NewReader(base)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		e := &entry{time: h.ModTime, Node: Node{
			Path: path.Clean("/" + h.Name), Mode: uint32(h.Mode & 0o7777), UID: h.Uid, GID: h.Gid,
		}}
		switch h.Typeflag {
		case tar.TypeReg:
			// The reader reads headers alone, so this is where the content begins.
			offset, err := base.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			size := h.Size
			e.Kind, e.Size = KindFile, size
			e.open = func() (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(at, offset, size)), nil
			}
		case tar.TypeLink:
			target, ok := out[path.Clean("/"+h.Linkname)]
			if !ok || target.Kind != KindFile {
				return nil, fmt.Errorf("%s is a hard link to %q, which is no file before it", e.Path, h.Linkname)
			}
			e.Kind, e.Size, e.open = KindFile, target.Size, target.open
			e.Mode, e.UID, e.GID, e.Xattrs, e.time = target.Mode, target.UID, target.GID, target.Xattrs, target.time
			if err := out.put(e); err != nil {
				return nil, err
			}
			continue
		case tar.TypeDir:
			e.Kind = KindFolder
		case tar.TypeSymlink:
			e.Kind, e.Target, e.Mode = KindLink, h.Linkname, 0o777
		case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			continue
		default:
			return nil, fmt.Errorf("%s is of type %q, which a base does not have", e.Path, h.Typeflag)
		}
		e.xattrs(h)
		if err := out.put(e); err != nil {
			return nil, err
		}
	}
}

// xattrs takes the extended attributes of a header. Access lists are left out:
// there are none in Debian's packages but on the folder of the journal, where
// systemd-tmpfiles sets them anew.
func (e *entry) xattrs(h *tar.Header) {
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, xattrPrefix)
		if !ok || strings.HasPrefix(name, "system.posix_acl_") {
			continue
		}
		if e.Xattrs == nil {
			e.Xattrs = map[string][]byte{}
		}
		e.Xattrs[name] = []byte(value)
	}
}
