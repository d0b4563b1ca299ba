// Package gpt lays out disks with GUID partition tables (UEFI Specification
// 2.10, chapter 5) that boot by BIOS and by UEFI.
//
// A layout is a value; its bytes, all GUIDs included, follow from it alone.
package gpt

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ingot-k8s/ingot/images"
)

const (
	// SectorSize is that of the disk, in bytes.
	SectorSize = images.SectorSize
	// Alignment is that of partitions and of the disk's size, in bytes.
	Alignment = 1 << 20

	alignSectors = Alignment / SectorSize
	maxEntries   = 128 // that the table has room for
	maxLabel     = 36  // UTF-16 code units
)

// Layout is a disk and what is on it.
type Layout struct {
	// Seed is what GUIDs are derived from, with the label of each partition.
	Seed []byte
	// GUID is that of the disk; derived if zero.
	GUID GUID
	// Size of the disk in bytes, a multiple of Alignment; 0 means the smallest.
	Size int64
	// BootCode is what a BIOS runs, at most 440 bytes; see InstallGRUB.
	BootCode []byte
	// Partitions in the order of their numbers and places.
	Partitions []Partition
	// Others are what is on the disk besides, where neither a partition nor a
	// table is.
	Others []images.Part
}

// Partition is a part of a disk.
type Partition struct {
	// Label is the partition's name, unique on the disk, of up to 36 UTF-16
	// code units.
	Label string
	// Type is a GUID in its text form, such as EFI.
	Type string
	// GUID is that of the partition; derived from the label if zero.
	GUID GUID
	// Size in bytes, rounded up to a multiple of Alignment; 0 means that of the
	// content.
	Size int64
	// Attributes are such as ReadOnly.
	Attributes uint64
	// Content is what the partition begins with; nil for nothing.
	Content images.Source
}

// Plan places the partitions.
func (l Layout) Plan() (*Table, error) {
	t, err := l.plan()
	if err != nil {
		return nil, fmt.Errorf("laying out a disk: %w", err)
	}
	return t, nil
}

func (l Layout) plan() (*Table, error) {
	if len(l.BootCode) > bootCodeSize {
		return nil, fmt.Errorf("boot code of %d bytes: at most %d", len(l.BootCode), bootCodeSize)
	}
	if len(l.Partitions) > maxEntries {
		return nil, fmt.Errorf("%d partitions: at most %d", len(l.Partitions), maxEntries)
	}
	if l.Size < 0 || l.Size%Alignment != 0 {
		return nil, fmt.Errorf("size of %d bytes: must be a multiple of %d", l.Size, Alignment)
	}
	t := &Table{GUID: l.GUID, BootCode: l.BootCode}
	if t.GUID == (GUID{}) {
		t.GUID = Derive(l.Seed, "disk")
	}
	next := uint64(alignSectors)
	labels, guids := map[string]bool{}, map[GUID]bool{t.GUID: true}
	for i, p := range l.Partitions {
		e, err := p.place(next, l.Seed)
		if err != nil {
			return nil, fmt.Errorf("partition %d (%q): %w", i+1, p.Label, err)
		}
		if labels[e.Label] || guids[e.GUID] {
			return nil, fmt.Errorf("partition %d (%q): another has this label or GUID", i+1, p.Label)
		}
		labels[e.Label], guids[e.GUID] = true, true
		t.Entries = append(t.Entries, e)
		next = e.Last + 1
	}
	// The rest of the last megabyte is free, for the table's copy.
	t.Sectors = next + alignSectors
	if l.Size == 0 {
		return t, nil
	}
	want := uint64(l.Size / SectorSize)
	if want < t.Sectors {
		return nil, fmt.Errorf("size of %d bytes: the partitions need %d", l.Size, t.Sectors*SectorSize)
	}
	t.Sectors = want
	return t, nil
}

// place makes a partition an entry of the table.
func (p Partition) place(first uint64, seed []byte) (Entry, error) {
	if p.Label == "" || !utf8.ValidString(p.Label) || len(utf16.Encode([]rune(p.Label))) > maxLabel {
		return Entry{}, fmt.Errorf("label: must have from 1 to %d characters", maxLabel)
	}
	kind, err := ParseGUID(p.Type)
	if err != nil {
		return Entry{}, fmt.Errorf("type: %w", err)
	}
	if kind == (GUID{}) {
		return Entry{}, errors.New("type: must not be zero, which means that there is no partition")
	}
	content := int64(0)
	if p.Content != nil {
		content = p.Content.Size()
	}
	size := p.Size
	if size == 0 {
		size = content
	}
	if size <= 0 || size > 1<<62 {
		return Entry{}, fmt.Errorf("size of %d bytes: must be positive", size)
	}
	size = (size + Alignment - 1) / Alignment * Alignment
	if content > size {
		return Entry{}, fmt.Errorf("content of %d bytes: the partition has %d", content, size)
	}
	guid := p.GUID
	if guid == (GUID{}) {
		guid = Derive(seed, "partition "+p.Label)
	}
	return Entry{p.Label, kind, guid, first, first + uint64(size/SectorSize) - 1, p.Attributes}, nil
}

// Disk composes the disk: both tables and what is in the partitions.
func (l Layout) Disk() (*images.Disk, error) {
	t, err := l.Plan()
	if err != nil {
		return nil, err
	}
	size := int64(t.Sectors) * SectorSize
	backup := t.Backup()
	parts := append([]images.Part{
		{Offset: 0, Content: images.Bytes(t.Primary())},
		{Offset: size - int64(len(backup)), Content: images.Bytes(backup)},
	}, l.Others...)
	for _, o := range l.Others {
		for _, e := range t.Entries {
			if o.Offset < e.Offset()+e.Size() && o.Offset+o.Content.Size() > e.Offset() {
				return nil, fmt.Errorf("laying out a disk: %d bytes at %d are in partition %q", o.Content.Size(), o.Offset, e.Label)
			}
		}
	}
	for i, p := range l.Partitions {
		if p.Content != nil {
			parts = append(parts, images.Part{Offset: t.Entries[i].Offset(), Content: p.Content})
		}
	}
	return images.NewDisk(size, parts...)
}
