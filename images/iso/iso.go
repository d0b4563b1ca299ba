// Package iso lays an ISO 9660 volume over a disk: what it writes are the
// volume's own structures, and its files are what the disk has anyway, each by
// its place. So a file may be a part of another, such as a partition of a disk
// image, and a volume of any size is composed in no time.
//
// A volume boots by El Torito, from CDs; the disk around it may have a partition
// table, and then boots from USB sticks too. The first 32 KiB of a volume belong
// to nobody, and a GUID partition table fits in there.
//
// Volumes with identities are written by ignition/configiso with
// github.com/kdomanski/iso9660. That library copies all files into one stream,
// and has neither El Torito nor files that share their bytes.
//
// Numbers such as "8.4" in comments are sections of ECMA-119 (4th edition), the
// freely available twin of ISO 9660. Names are those of its level 2, without
// extensions such as Rock Ridge; files of more than 4 GiB are of several
// sections, which is level 3.
package iso

import (
	"fmt"
	"time"

	"github.com/ingot-k8s/ingot/images"
)

const (
	// SectorSize is that of the volume, in bytes (6.1.2). Files begin at
	// multiples of it.
	SectorSize = 2048
	// Start is where the volume's structures begin on the disk, in bytes (6.2.1).
	Start = 16 * SectorSize
)

// File is a file of the volume.
type File struct {
	// Path is slash-separated, as in "EFI/debian/grub.cfg", of up to 8 parts.
	// Each has up to 30 letters, digits and "_", and that of the file may have a
	// dot among them. The volume has upper case letters only, which Linux and
	// GRUB show in lower case.
	Path string
	// Offset and Size say where on the disk the file is, in bytes.
	Offset, Size int64
	// Content is that of a file which is on the disk for the volume alone. It is
	// put behind the volume's structures, and Offset and Size are not used.
	Content images.Source
}

// Config is a volume.
type Config struct {
	Label string    // of up to 32 upper case letters, digits and "_"
	Time  time.Time // of the volume and all files, in whole seconds of UTC
	Size  int64     // of the disk in bytes, a multiple of SectorSize
	Files []File    // in any order
	Boot  []Boot    // what firmware can start, the default first; may be empty
}

// New composes the volume: the parts of the disk that are neither files with a
// place of their own nor anybody else's. The first begins at Start, the others
// follow closely. The bytes depend on the config alone, not on the order of its
// files.
func New(c Config) ([]images.Part, error) {
	parts, err := c.compose()
	if err != nil {
		return nil, fmt.Errorf("composing ISO 9660 volume: %w", err)
	}
	return parts, nil
}

func (c Config) compose() ([]images.Part, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	root, err := plant(c.Files)
	if err != nil {
		return nil, err
	}
	v := &volume{Config: c, folders: root.breadthFirst()}
	if err := v.place(); err != nil {
		return nil, err
	}
	head, err := v.structures()
	if err != nil {
		return nil, err
	}
	parts := []images.Part{{Offset: Start, Content: images.Bytes(head)}}
	for _, n := range v.own {
		parts = append(parts, images.Part{Offset: n.offset, Content: n.content})
	}
	return parts, nil
}

// check looks at all but the files.
func (c Config) check() error {
	if !valid(c.Label, 32) {
		return fmt.Errorf("label %q: has to be 1 to 32 upper case letters, digits and \"_\"", c.Label)
	}
	// Records have one byte for the years since 1900 (9.1.5).
	if y := c.Time.UTC().Year(); y < firstYear || y > firstYear+255 {
		return fmt.Errorf("time %s: the year has to be from %d to %d", c.Time.UTC().Format(time.RFC3339), firstYear, firstYear+255)
	}
	if c.Size%SectorSize != 0 || c.Size < Start || c.Size/SectorSize > 1<<32-1 {
		return fmt.Errorf("size of %d bytes: has to be a multiple of %d from %d to %d", c.Size, SectorSize, Start, int64(1<<32-1)*SectorSize)
	}
	return nil
}

// volume is a volume in the making.
type volume struct {
	Config
	folders []*node // in the order of the path table, the root first
	table   int64   // size of a path table in bytes
	catalog int64   // where the boot catalog is
	own     []*node // files with a content of their own
	end     int64   // of the structures
}

// primaryAt is the sector of the primary volume descriptor.
const primaryAt = Start / SectorSize

// place gives places to the structures and to files that have none: volume
// descriptors, path tables, boot catalog, folders, files.
func (v *volume) place() error {
	next := int64(Start + 2*SectorSize) // primary descriptor and the end of them
	if len(v.Boot) > 0 {
		next += SectorSize
	}
	for _, f := range v.folders {
		v.table += int64(pathRecord + len(f.id) + len(f.id)%2)
	}
	next += 2 * sectors(v.table) * SectorSize
	if len(v.Boot) > 0 {
		v.catalog = next
		next += SectorSize
	}
	for _, f := range v.folders {
		f.offset, f.size = next, f.length()
		next += f.size
	}
	v.end = next
	for _, n := range v.files() {
		if n.content == nil {
			continue
		}
		if n.size = n.content.Size(); n.size == 0 {
			continue
		}
		n.offset = next
		next += sectors(n.size) * SectorSize
		v.own = append(v.own, n)
	}
	for _, n := range v.files() {
		if n.offset < 0 || n.offset%SectorSize != 0 || n.size < 0 || n.size > v.Size-n.offset {
			return fmt.Errorf("file %q: %d bytes at %d: has to begin at a multiple of %d and be on the disk of %d", n.path, n.size, n.offset, SectorSize, v.Size)
		}
	}
	return v.patch()
}

// files are those of all folders, in order.
func (v *volume) files() []*node {
	var out []*node
	for _, f := range v.folders {
		for _, n := range f.children {
			if !n.folder() {
				out = append(out, n)
			}
		}
	}
	return out
}

func sectors(size int64) int64 { return (size + SectorSize - 1) / SectorSize }
