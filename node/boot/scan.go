package boot

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

// scan finds the disks of the machine and what they hold. Medium is the device
// that the boot ISO is on, empty where it is on none.
func scan(root, medium string) ([]Disk, error) {
	all, err := blocks(root)
	if err != nil {
		return nil, fmt.Errorf("looking for disks: %w", err)
	}
	var disks []Disk
	var found []*block
	for _, b := range all {
		if b.disk() {
			found = append(found, b)
			disks = append(disks, describe(b, medium))
		}
	}
	// Each disk is slow, and they are not slower together.
	var group sync.WaitGroup
	for i := range disks {
		group.Go(func() {
			d := &disks[i]
			if d.Medium {
				d.Holds = Content{NonZero: -1, Kind: "the boot ISO"}
				return
			}
			d.Holds = read(root, d)
			known(&d.Holds, found[i], all)
		})
	}
	group.Wait()
	return disks, nil
}

// describe is what is known of a disk without reading it.
func describe(b *block, medium string) Disk {
	d := Disk{
		Path: b.path(), Port: b.env["ID_PATH"], Model: b.model(), Serial: b.serial(), Size: b.bytes(),
		Sector:    max(int(b.number("queue/logical_block_size")), imageSector),
		Removable: b.number("removable") == 1 || b.usb(),
		ReadOnly:  b.number("ro") == 1,
		Medium:    b.path() == medium,
	}
	for _, link := range b.links {
		if strings.HasPrefix(link, "/dev/disk/by-id/") {
			d.IDs = append(d.IDs, link)
		}
	}
	return d
}

// read looks into a disk.
func read(root string, d *Disk) (c Content) {
	f, err := openRead(filepath.Join(root, d.Path))
	if err != nil {
		return Content{NonZero: -1, Unreadable: err.Error()}
	}
	defer func() { _ = f.Close() }() // nothing was written
	return look(f, d.Size, d.Sector)
}

// protective is libblkid's word for the first sector of a GUID partition table
// whose other sectors are missing.
const protective = "PMBR"

// known adds what udev knows: file systems, members of RAID and volume groups,
// and other tables, all of which it finds by libblkid.
func known(c *Content, b *block, all []*block) {
	if kind := b.env["ID_FS_TYPE"]; kind != "" {
		c.Kind = "a file system or member of one (" + kind + labelled(b) + ")"
	} else if kind := b.env["ID_PART_TABLE_TYPE"]; kind != "" && c.Kind == "" && (kind != protective || !c.Begun) {
		c.Kind = "a partition table (" + kind + ")"
	}
	for _, part := range all {
		if !part.has("partition") || part.env["ID_PART_ENTRY_DISK"] != b.text("dev") {
			continue
		}
		text := strings.TrimPrefix(part.path(), "/dev/")
		if name := printable(part.env["ID_PART_ENTRY_NAME"]); name != "" {
			text += fmt.Sprintf(" %q", name)
		}
		if kind := part.env["ID_FS_TYPE"]; kind != "" {
			text += " (" + kind + labelled(part) + ")"
		}
		c.Parts = append(c.Parts, text)
	}
	if len(c.Parts) > 0 || c.Table == nil {
		return
	}
	for _, e := range c.Table.Entries {
		c.Parts = append(c.Parts, fmt.Sprintf("%d %q", e.Number, printable(e.Label)))
	}
}

func labelled(b *block) string {
	if label := printable(b.label()); label != "" {
		return fmt.Sprintf(" %q", label)
	}
	return ""
}
