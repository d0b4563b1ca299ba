// Package tree puts the two trees of an image together and packs them.
//
// [Root] makes the root tree of a base and programs; it depends on the lock
// alone. [Cluster] makes the small tree of a cluster's layers, which the
// machine lays over the root. Both are tar streams in one canonical form:
// ordered by path, numeric owners, no time later than the lock's date. [Squash]
// turns such a stream into a squashfs file system.
//
// What Root leaves out of the base, and why, is the table in removed.go. What
// the base has below /var and the other folders of state becomes lines for
// systemd-tmpfiles, which make it on the machine (factory.go).
package tree

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Kind is what a path is.
type Kind string

// The kinds of paths.
const (
	KindFile   Kind = "file"
	KindFolder Kind = "folder"
	KindLink   Kind = "link"
)

// Node is a path of a tree without its content.
type Node struct {
	Path   string            `json:"path"` // absolute and clean
	Kind   Kind              `json:"kind"`
	Mode   uint32            `json:"mode"` // the lower twelve bits: rwxrwxrwx, setuid 04000, setgid 02000, sticky 01000
	UID    int               `json:"uid"`
	GID    int               `json:"gid"`
	Size   int64             `json:"size,omitempty"`   // of a file, in bytes
	SHA256 string            `json:"sha256,omitempty"` // of a file's content, in hexadecimal
	Target string            `json:"target,omitempty"` // of a link
	Xattrs map[string][]byte `json:"xattrs,omitempty"` // such as security.capability
}

// entry is a node in the making: its content is in memory, or is opened when
// it is written.
type entry struct {
	Node
	time    time.Time
	content []byte
	open    func() (io.ReadCloser, error)
}

// read reads the whole content of a file that is known to be small.
func (e *entry) read() ([]byte, error) {
	if e.open == nil {
		return e.content, nil
	}
	if e.Size > maxSmall {
		return nil, fmt.Errorf("reading %s: %d bytes are too many (%d)", e.Path, e.Size, maxSmall)
	}
	r, err := e.open()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", e.Path, err)
	}
	defer func() { _ = r.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(r, maxSmall))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", e.Path, err)
	}
	return data, nil
}

// maxSmall is more than any file has that is read as a whole, in bytes.
const maxSmall = 1 << 20

// set gives a file a new content.
func (e *entry) set(content []byte) {
	e.content, e.open, e.Size = content, nil, int64(len(content))
}

// below reports whether p is dir or below it.
func below(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, dir+"/")
}

// file, folder and link make entries of root.
func file(at string, mode uint32, content []byte) *entry {
	e := &entry{Node: Node{Path: at, Kind: KindFile, Mode: mode}}
	e.set(content)
	return e
}

func folder(at string, mode uint32) *entry {
	return &entry{Node: Node{Path: at, Kind: KindFolder, Mode: mode}}
}

func link(at, target string) *entry {
	return &entry{Node: Node{Path: at, Kind: KindLink, Mode: 0o777, Target: target}}
}

// parents calls f with every folder that leads to p, "/" last.
func parents(p string, f func(dir string)) {
	for p != "/" {
		p = path.Dir(p)
		f(p)
	}
}

// bits are the twelve bits of a mode.
func bits(mode fs.FileMode) uint32 {
	out := uint32(mode.Perm())
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&flag != 0 {
			out |= bit
		}
	}
	return out
}

// xattrPrefix is how PAX records of extended attributes begin.
const xattrPrefix = "SCHILY.xattr."

// header is the canonical header of an entry.
func (e *entry) header(date time.Time) *tar.Header {
	h := &tar.Header{
		Format: tar.FormatPAX, Name: strings.TrimPrefix(e.Path, "/"), Mode: int64(e.Mode),
		Uid: e.UID, Gid: e.GID, ModTime: date.UTC().Truncate(time.Second),
	}
	if !e.time.IsZero() && e.time.Before(date) {
		h.ModTime = e.time.UTC().Truncate(time.Second)
	}
	switch e.Kind {
	case KindFolder:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		if e.Path == "/" {
			h.Name = "./"
		}
	case KindLink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Target
	default:
		h.Typeflag, h.Size = tar.TypeReg, e.Size
	}
	for name, value := range e.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrPrefix+name] = string(value)
	}
	return h
}
