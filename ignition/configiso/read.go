package configiso

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Read reads a volume of size bytes from r, of any origin: every length, place
// and count in it is checked before it is used, and what it may cost is
// limited. Names are as a Linux mount shows them: those of Rock Ridge if the
// volume has them, else those of Joliet, else the plain ones in lower case and
// without version. Files come sorted by path.
//
// At most 64 MiB of content and 16,384 files and folders are read. Symbolic
// links, devices, compressed files and files of several extents, all unknown on
// config drives, are refused. Errors say in which sector (of 2048 bytes) and
// folder the fault is; errors.Is tells ErrNotISO9660 from damage.
func Read(r io.ReaderAt, size int64) (Volume, error) {
	d, err := open(r, size)
	if err != nil {
		return Volume{}, fmt.Errorf("reading volume: %w", err)
	}
	v := Volume{Label: d.label, Time: d.created}
	left := int64(maxVolume)
	err = d.walk(func(n node) error {
		if n.isDot() || n.isFolder() {
			return nil
		}
		if left -= int64(n.length); left < 0 {
			return fmt.Errorf("file %q: volume has more than %d bytes of content", n.path, maxVolume)
		}
		data := make([]byte, 0)
		if n.length > 0 { // the place of nothing means nothing
			var err error
			if data, err = d.bytes(n.sector, 0, int64(n.length)); err != nil {
				return fmt.Errorf("file %q: %w", n.path, err)
			}
		}
		v.Files = append(v.Files, File{Path: n.path, Data: data})
		return nil
	})
	if err != nil {
		return Volume{}, fmt.Errorf("reading volume %q: %w", d.label, err)
	}
	slices.SortFunc(v.Files, byPath)
	for i := 1; i < len(v.Files); i++ {
		if v.Files[i].Path == v.Files[i-1].Path {
			return Volume{}, fmt.Errorf("reading volume %q: file %q is there twice", d.label, v.Files[i].Path)
		}
	}
	return v, nil
}

// disk is a volume opened for reading.
type disk struct {
	r       io.ReaderAt
	size    int64
	label   string
	created time.Time
	root    record
	names   naming
	budget  int64 // bytes of folders that may still be read
}

const (
	// maxDescriptors is how many volume descriptors are looked at; real volumes
	// have up to five.
	maxDescriptors = 64
	// maxFolderBytes is how many bytes of folders are read, all together: many
	// times what maxEntries records take.
	maxFolderBytes = 16 << 20
)

// Types of volume descriptors (8.1.1).
const (
	typePrimary       = 1
	typeSupplementary = 2
	typeTerminator    = 255
)

// standardID is in every descriptor (8.1.2).
const standardID = "CD001"

func open(r io.ReaderAt, size int64) (*disk, error) {
	d := &disk{r: r, size: size, budget: maxFolderBytes}
	primary, joliet, err := d.descriptors()
	if err != nil {
		return nil, err
	}
	label, created := string(primary[fieldLabel:fieldLabel+maxLabel]), primary[fieldCreated:fieldCreated+volumeStampLength]
	if joliet != nil {
		label = mergeLabel(label, fromUCS2(string(joliet[fieldLabel:fieldLabel+maxLabel])))
	}
	label, _, _ = strings.Cut(label, "\x00")
	d.label, d.created = strings.Trim(label, " "), parseVolumeStamp(created)
	if d.root, err = d.openRoot(primary); err != nil {
		return nil, err
	}
	rock, err := d.rockRidge()
	switch {
	case err != nil:
		return nil, err
	case rock != nil:
		d.names = rock
	case joliet != nil:
		d.names = jolietNames{}
		d.root, err = d.openRoot(joliet)
	default:
		d.names = plainNames{}
	}
	return d, err
}

// descriptors finds the primary descriptor and, if there is one, Joliet's.
func (d *disk) descriptors() (primary, joliet []byte, err error) {
	for sector := uint32(systemSectors); sector < systemSectors+maxDescriptors; sector++ {
		b, err := d.bytes(sector, 0, sectorSize)
		if sector == systemSectors && (err != nil || string(b[1:6]) != standardID) {
			return nil, nil, fmt.Errorf("%w: no volume descriptor in sector %d", ErrNotISO9660, sector)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("volume descriptor: %w", err)
		}
		switch {
		case string(b[1:6]) != standardID:
			return nil, nil, fmt.Errorf("sector %d: volume descriptor has the identifier %q (%s)", sector, b[1:6], standardID)
		case b[0] == typeTerminator && primary == nil:
			return nil, nil, errors.New("there is no primary volume descriptor")
		case b[0] == typeTerminator:
			return primary, joliet, nil
		case b[0] == typePrimary && primary == nil:
			primary = b
		case b[0] == typeSupplementary && joliet == nil && isJoliet(b):
			joliet = b
		default:
			continue
		}
		if err := d.checkDescriptor(b); err != nil {
			return nil, nil, fmt.Errorf("sector %d: volume descriptor: %w", sector, err)
		}
	}
	return nil, nil, fmt.Errorf("there is no end among %d volume descriptors", maxDescriptors)
}

func (d *disk) checkDescriptor(b []byte) error {
	if block := uint16(b[fieldBlock]) | uint16(b[fieldBlock+1])<<8; block != sectorSize {
		return fmt.Errorf("logical blocks have %d bytes (%d)", block, sectorSize)
	}
	space, err := both32(b[fieldSpace:])
	if err != nil {
		return fmt.Errorf("size of the volume: %w", err)
	}
	if int64(space)*sectorSize > d.size {
		return fmt.Errorf("volume has %d sectors, and only %d bytes of them are here: it is cut off", space, d.size)
	}
	return nil
}

// openRoot reads the record of the root folder in a descriptor.
func (d *disk) openRoot(descriptor []byte) (record, error) {
	root, err := parseRecord(descriptor[rootRecord : rootRecord+rootRecordLength])
	if err != nil {
		return record{}, fmt.Errorf("volume descriptor: root folder: %w", err)
	}
	if !root.isFolder() {
		return record{}, errors.New("volume descriptor: root folder is not marked as a folder")
	}
	return root, nil
}

// bytes reads length bytes, offset bytes after the start of a sector. No memory
// is taken for what is not there.
func (d *disk) bytes(sector uint32, offset, length int64) ([]byte, error) {
	start := int64(sector)*sectorSize + offset
	if start > d.size || length > d.size-start {
		return nil, fmt.Errorf("sector %d: %d bytes from here on go beyond the end (%d bytes)", sector, length, d.size)
	}
	b := make([]byte, length)
	if n, err := d.r.ReadAt(b, start); int64(n) < length {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("sector %d: %w", sector, err)
	}
	return b, nil
}
