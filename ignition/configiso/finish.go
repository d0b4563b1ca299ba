package configiso

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Fields of the primary volume descriptor (8.4), by their first byte.
const (
	fieldSystem      = 8   // system identifier, 32 bytes
	fieldLabel       = 40  // volume identifier, 32 bytes
	fieldSpace       = 80  // volume space size in sectors
	fieldBlock       = 128 // logical block size
	fieldTableSize   = 132 // path table size in bytes
	fieldTableL      = 140 // location of the little-endian path table
	fieldTableM      = 148 // location of the big-endian path table
	fieldApplication = 574 // application identifier, 128 bytes
	fieldCreated     = 813
	fieldModified    = 830
	fieldEffective   = 864
)

// Who made the volume. The library writes the operating system it was compiled
// for, and its own name in letters that are not allowed there (8.4.5, 8.4.19).
const systemName, applicationName = "LINUX", "INGOT"

// folder is one folder of the image being finished.
type folder struct {
	path   string
	id     string
	parent int // index in the list of folders
	record record
}

// placement is where on the volume a file's content belongs.
type placement struct {
	record  record
	content []byte
}

// finisher makes a volume of ours from what the library wrote.
type finisher struct {
	image   []byte
	stamp   []byte            // of every directory record
	pending map[string][]byte // contents without a place, by path
	placed  []placement
	surplus int      // sectors in the image beyond the size that the library computed
	folders []folder // breadth first, which is the order on the volume too
}

// finish takes out the sectors that the library adds by mistake, sets every
// time and name in the image, puts the contents in place of the zeros, and adds
// path tables.
func finish(image []byte, v Volume) ([]byte, error) {
	f := finisher{image: image, stamp: recordStamp(v.Time), pending: make(map[string][]byte, len(v.Files))}
	for _, file := range v.Files {
		f.pending[file.Path] = file.Data
	}
	space, root, err := f.descriptor()
	if err != nil {
		return nil, fmt.Errorf("volume descriptor: %w", err)
	}
	if len(image)%sectorSize != 0 || len(image)/sectorSize < space {
		return nil, fmt.Errorf("image has %d bytes, and its descriptor says %d sectors", len(image), space)
	}
	f.surplus = len(image)/sectorSize - space
	f.folders = []folder{{id: idSelf, record: root}}
	for i := 0; i < len(f.folders); i++ { // grows while it runs
		if err := f.finishFolder(i); err != nil {
			return nil, fmt.Errorf("folder %q: %w", f.folders[i].path, err)
		}
	}
	if f.surplus != 0 {
		return nil, fmt.Errorf("image has %d sectors more than its descriptor says", f.surplus)
	}
	for path := range f.pending {
		return nil, fmt.Errorf("file %q is not in the image", path)
	}
	if err := f.place(); err != nil {
		return nil, err
	}
	f.addPathTables()
	f.describe(v)
	return f.image, nil
}

// descriptor reads the primary volume descriptor.
func (f *finisher) descriptor() (space int, root record, err error) {
	b, err := f.sectors(primarySector, sectorSize)
	if err != nil {
		return 0, record{}, err
	}
	sectors, err := both32(b[fieldSpace:])
	if err != nil {
		return 0, record{}, err
	}
	root, err = parseRecord(b[rootRecord : rootRecord+rootRecordLength])
	return int(sectors), root, err
}

// sectors gives length bytes of the image from the given sector on.
func (f *finisher) sectors(first, length uint32) ([]byte, error) {
	start := int64(first) * sectorSize
	if start+int64(length) > int64(len(f.image)) {
		return nil, fmt.Errorf("%d bytes at sector %d are beyond the image of %d bytes", length, first, len(f.image))
	}
	return f.image[start : start+int64(length)], nil
}

// finishFolder goes through the records of folder i. All surplus sectors before
// it are out already, so its records and what they say are where they belong.
func (f *finisher) finishFolder(i int) error {
	this := f.folders[i]
	data, err := f.sectors(this.record.sector, this.record.length)
	if err != nil {
		return err
	}
	if err := f.dropSurplus(this.record); err != nil {
		return err
	}
	for ; len(data) > 0; data = data[sectorSize:] {
		for at := 0; at < sectorSize && data[at] != 0; {
			r, err := parseRecord(data[at:sectorSize])
			if err != nil {
				return err
			}
			copy(r.stamp, f.stamp)
			at += r.size
			if err := f.finishRecord(i, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *finisher) finishRecord(parent int, r record) error {
	if r.isDot() {
		return nil
	}
	path := join(f.folders[parent].path, plainName(r.id))
	if r.isFolder() {
		f.folders = append(f.folders, folder{path: path, id: r.id, parent: parent, record: r})
		return nil
	}
	content, ok := f.pending[path]
	if !ok || len(content) != int(r.length) {
		return fmt.Errorf("there is an unexpected file %q of %d bytes", r.id, r.length)
	}
	delete(f.pending, path)
	f.placed = append(f.placed, placement{r, content})
	return nil
}

// place puts the contents in. It waits until no sector will move any more.
func (f *finisher) place() error {
	for _, p := range f.placed {
		hole, err := f.sectors(p.record.sector, p.record.length)
		if err != nil {
			return fmt.Errorf("file %q: %w", p.record.id, err)
		}
		copy(hole, p.content)
	}
	return nil
}

// dropSurplus takes out the sector of zeros that the library writes after a
// folder whose records end exactly at the end of a sector. It does not count
// that sector, so that all that follows would be one sector off.
func (f *finisher) dropSurplus(r record) error {
	if f.surplus == 0 {
		return nil
	}
	last, err := f.sectors(r.sector+r.length/sectorSize-1, sectorSize)
	if err != nil {
		return err
	}
	end := 0
	for end < sectorSize && last[end] != 0 {
		end += int(last[end])
	}
	if end != sectorSize {
		return nil
	}
	next := int(r.sector)*sectorSize + int(r.length)
	if next+sectorSize > len(f.image) || !bytes.Equal(f.image[next:next+sectorSize], make([]byte, sectorSize)) {
		return errors.New("the sector after its full last sector is not empty")
	}
	f.image = append(f.image[:next], f.image[next+sectorSize:]...)
	f.surplus--
	return nil
}

// describe fills the descriptor's fields that are ours to say.
func (f *finisher) describe(v Volume) {
	b := f.image[primarySector*sectorSize:][:sectorSize]
	putText(b[fieldSystem:fieldSystem+32], systemName)
	putText(b[fieldApplication:fieldApplication+128], applicationName)
	copy(b[rootRecord+18:], f.stamp)
	for _, field := range []int{fieldCreated, fieldModified, fieldEffective} {
		copy(b[field:], volumeStamp(v.Time))
	}
}

// putText fills a field with a text and spaces (7.4.3.2).
func putText(field []byte, text string) {
	copy(field, text+strings.Repeat(" ", len(field)-len(text)))
}

func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}
