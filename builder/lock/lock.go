// Package lock is the lock of a cluster's image: every input by exact version
// and SHA-256, in clusters/<name>/lock.yaml beside the definition. Mirrors are
// not named in it, only paths below them, so that any mirror will do.
package lock

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// File is the lock's name beside cluster.yaml.
const File = "lock.yaml"

// Format is the version of the lock's format that this package reads and writes.
const Format = 1

// Lock is the content of a lock file. Lists are ordered by name.
type Lock struct {
	Date   time.Time // the one clock of the bake: UTC, whole seconds
	Debian Debian
	Programs
	Images []Image
}

// Debian is what comes from the Debian archives.
type Debian struct {
	Release   int      // 12 or 13
	Requested []string // the packages that were asked for; the others are there because these need them
	Packages  []Package
	Boot      []Package // files that boot loaders are taken from; not installed
}

// Files are all package files, each once.
func (d *Debian) Files() []Package {
	out := slices.Clone(d.Packages)
	for _, p := range d.Boot {
		if !slices.ContainsFunc(d.Packages, func(o Package) bool { return o.SHA256 == p.SHA256 }) {
			out = append(out, p)
		}
	}
	return out
}

// Package is one Debian package file.
type Package struct {
	Name         string
	Version      string
	Architecture string // amd64 or all
	SHA256       string // of the file, hexadecimal
	Size         int64  // of the file, bytes
	Archive      string // main or security
	File         string // path below the archive's mirror
}

// Image is one container image that is baked in.
type Image struct {
	Reference string // name[:tag]
	Digest    string // sha256:<hexadecimal>
}

// sortAll brings the lists into the one order that a lock is written in.
func (l *Lock) sortAll() {
	slices.Sort(l.Debian.Requested)
	for _, list := range [][]Package{l.Debian.Packages, l.Debian.Boot} {
		sort.Slice(list, func(a, b int) bool { return list[a].Name < list[b].Name })
	}
	l.sort()
	sortImages(l.Images)
}

func sortImages(images []Image) {
	slices.SortFunc(images, func(a, b Image) int { return strings.Compare(a.Reference+"@"+a.Digest, b.Reference+"@"+b.Digest) })
}

// versions maps the packages' names to their versions.
func (l *Lock) versions() map[string]string {
	out := make(map[string]string, len(l.Debian.Packages))
	for _, p := range l.Debian.Files() {
		out[p.Name] = p.Version
	}
	return out
}
