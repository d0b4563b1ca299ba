package boot

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// stateLabel is the label of the partition that a machine makes for its state.
const stateLabel = "ingot-state"

// minState is the least room that the state needs, in bytes, as the file
// repart.d/50-state.conf of the initrd has it.
const minState = 512 << 20

// tableRoom is what a partition table and the alignment of partitions take of a
// disk without an image, in bytes.
const tableRoom = 2 << 20

// imageSector is the size of the sectors that an image's table counts in.
const imageSector = 512

// Disk is a disk of the machine, and what it holds.
type Disk struct {
	Path      string   // /dev/sda
	IDs       []string // its names in /dev/disk/by-id
	Port      string   // where it is attached, as in /dev/disk/by-path
	Model     string
	Serial    string
	Size      int64 // bytes
	Sector    int   // logical, bytes
	Removable bool  // or by USB
	ReadOnly  bool
	Medium    bool // the boot ISO is on it
	Holds     Content
}

// Content is what a disk holds.
type Content struct {
	Table      *Table   // GUID partition table, where there is a whole one
	Kind       string   // of what else is known of the whole disk: a table or a file system
	Parts      []string // the partitions in words
	NonZero    int64    // where the first byte found that is not zero stands; -1 for none
	Unfinished bool     // an installation was begun and not ended
	Begun      bool     // a state was begun, and there is no table that says where
	Unreadable string   // why the disk could not be looked at
}

// Empty reports whether nothing at all was found.
func (c *Content) Empty() bool {
	return c.Table == nil && c.Kind == "" && len(c.Parts) == 0 && c.NonZero < 0 && !c.Unfinished && c.Unreadable == ""
}

// Blank reports whether nothing was found that anybody could miss: nothing at
// all, or what is left of making a state.
func (c *Content) Blank() bool {
	return c.Empty() || c.Begun && !c.Unfinished && c.Unreadable == "" && len(c.Parts) == 0 && (c.Kind == "" || c.Kind == damagedTable)
}

// doubtful reports whether the disk may have a state that cannot be seen.
func (c *Content) doubtful() bool {
	return c.Unreadable != "" || c.Kind == damagedTable && !c.Blank()
}

// hasState reports whether the disk has the state of a machine. A table that is
// about to be overwritten does not count.
func (c *Content) hasState() bool { return !c.Unfinished && c.Table.label(stateLabel) }

// String says what there is, after "holds".
func (c *Content) String() string {
	var parts []string
	switch {
	case c.Unreadable != "":
		return "what cannot be read: " + c.Unreadable
	case c.Empty():
		return "nothing"
	case c.Unfinished:
		return "an unfinished installation"
	case c.Blank():
		return "a state that was begun and not ended"
	case c.hasState():
		parts = append(parts, "the state of a machine")
	}
	if c.Kind != "" {
		parts = append(parts, c.Kind)
	} else if c.Table != nil {
		parts = append(parts, "a partition table (gpt)")
	}
	if len(c.Parts) > 0 {
		parts = append(parts, "partitions "+strings.Join(c.Parts, ", "))
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("bytes that are not zero, at %d", c.NonZero))
	}
	return strings.Join(parts, ", ")
}

// String names a disk for a person.
func (d *Disk) String() string {
	out := d.Path
	if d.Model != "" {
		out += ", " + d.Model
	}
	if d.Serial != "" {
		out += fmt.Sprintf(", serial number %q", d.Serial)
	} else {
		out += ", without a serial number"
	}
	return out + ", " + size(d.Size)
}

// size writes bytes as disks are sold.
func size(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%d MB", n/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// use is what a disk is wanted for.
type use struct {
	what   string // after "a disk for"
	room   int64  // bytes
	sector int    // that it must have; 0 for any
	rule   bool   // whether a rule chooses it, and nobody by name
}

// unfit says why a disk cannot be used, or "".
func (d *Disk) unfit(u use) string {
	switch {
	case d.Medium:
		return "it is the boot medium"
	case d.ReadOnly:
		return "it can only be read"
	case d.Removable && u.rule:
		return "it is removable, or attached by USB: name it by its id if it is meant"
	case u.sector != 0 && d.Sector != u.sector:
		return fmt.Sprintf("its logical sectors have %d bytes, and an image needs %d", d.Sector, u.sector)
	case d.Size < u.room:
		return fmt.Sprintf("it is too small: %d bytes, where %s needs %d", d.Size, u.what, u.room)
	}
	return ""
}

// byPort orders disks by where they are attached: controllers by their
// addresses on the bus, then ports. What is not known comes last, by name.
func byPort(a, b *Disk) int {
	if (a.Port == "") != (b.Port == "") {
		return cmp.Compare(b.Port, a.Port)
	}
	if c := natural(a.Port, b.Port); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(len(a.Path), len(b.Path)), cmp.Compare(a.Path, b.Path))
}

// bySize orders the smallest first, and disks of one size by their ports.
func bySize(a, b *Disk) int { return cmp.Or(cmp.Compare(a.Size, b.Size), byPort(a, b)) }

// natural compares the parts of two names, numbers by their values. Bus
// addresses are hexadecimal, and others keep their order when read so.
func natural(a, b string) int {
	split := func(r rune) bool { return r == '-' || r == ':' || r == '.' }
	return slices.CompareFunc(strings.FieldsFunc(a, split), strings.FieldsFunc(b, split), func(x, y string) int {
		m, errX := strconv.ParseUint(x, 16, 64)
		n, errY := strconv.ParseUint(y, 16, 64)
		if errX == nil && errY == nil && m != n {
			return cmp.Compare(m, n)
		}
		return cmp.Compare(x, y)
	})
}
