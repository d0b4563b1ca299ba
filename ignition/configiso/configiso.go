// Package configiso writes and reads back the small labelled ISO 9660 volumes
// that machines take their identity from: config drives (label "config-2") and
// NoCloud volumes (label "cidata").
//
// Writing is done by github.com/kdomanski/iso9660, which stages files in a
// folder on disk. What is staged here are holes of the right sizes: the real
// contents are put into the finished image in memory, so that no private key is
// ever in a temporary file, not even of a process that was killed. The image is
// then made deterministic, completed with the path tables that ECMA-119 demands
// and the library leaves out, and read back and compared before a byte of it is
// handed on. docs/internals-iso9660.md has what is known about the library.
//
// Reading takes the bytes of anybody: volumes by xorriso, genisoimage or
// mkisofs, with Rock Ridge or Joliet names or without, damaged or hostile ones.
//
// Numbers such as "8.4" in comments are sections of ECMA-119 (4th edition),
// the freely available twin of ISO 9660.
package configiso

import (
	"errors"
	"time"
)

// File is one file on the volume.
type File struct {
	// Path is relative and slash-separated, as in "openstack/latest/user_data".
	Path string
	// Data is the content.
	Data []byte
}

// Volume is what an ISO holds. Folders are there because files are in them; a
// folder without files can neither be written nor is it reported by Read.
type Volume struct {
	// Label is the volume identifier; Linux finds the volume under
	// /dev/disk/by-label exactly as written here.
	Label string
	// Time is stamped on the volume and on everything in it, in UTC and whole
	// seconds. Read gives the volume's creation time, or the zero time if the
	// volume states none that makes sense.
	Time time.Time
	// Files may be in any order. Read sorts them by path.
	Files []File
}

// ErrNotISO9660 is in the error that Read returns for an input that is no
// ISO 9660 volume at all, as opposed to a damaged one.
var ErrNotISO9660 = errors.New("not an ISO 9660 volume")

const (
	// sectorSize is the size of a logical sector, and of the only logical block
	// that is accepted, in bytes (6.1.2).
	sectorSize = 2048
	// systemSectors is how many sectors stand before the first descriptor (6.2.1).
	systemSectors = 16
	// primarySector is where the library puts the primary volume descriptor.
	primarySector = systemSectors

	// maxVolume is how large a volume may be written and how much file content
	// is read from one, in bytes. OpenStack gives a config drive 64 MiB too.
	maxVolume = 64 << 20
	// maxEntries is how many files and folders a volume may have. A config drive
	// has about ten; the limit bounds what a hostile volume can cost.
	maxEntries = 16384
)
