package boot

import (
	"errors"
	"io"
	"strings"
)

const (
	// lookEnds is how much of a disk's start and end is looked at, in bytes:
	// nothing that programs know disks by, RAID controllers included, stands
	// further inside.
	lookEnds = 2 << 20
	// lookSpots is at how many places between them it is looked at, and lookSpot
	// how much, in bytes: for data that begin without anything to know them by.
	lookSpots = 64
	lookSpot  = 64 << 10
)

// damagedTable is a table of which not all was written, perhaps.
const damagedTable = "a damaged partition table (gpt)"

// look finds out by reading what a disk holds.
func look(r io.ReaderAt, size int64, sector int) Content {
	c := Content{NonZero: -1}
	table, err := readTable(r, sector)
	switch {
	case err == nil:
		c.Table = table
	case !errors.Is(err, errNoTable):
		c.Kind = damagedTable
	}
	for _, span := range spots(size) {
		at, err := nonZero(r, span[0], span[1])
		if err != nil {
			c.Unreadable = err.Error()
			return c
		}
		if at >= 0 {
			c.NonZero = at
			break
		}
	}
	mark, err := readMark(r)
	if err != nil {
		c.Unreadable = err.Error()
	}
	c.Unfinished = strings.HasPrefix(mark, markText)
	c.Begun = c.Table == nil && strings.HasPrefix(mark, stateText)
	return c
}

// spots are the offsets and lengths of what is looked at.
func spots(size int64) [][2]int64 {
	if size <= 2*lookEnds+lookSpots*lookSpot {
		return [][2]int64{{0, size}}
	}
	out := [][2]int64{{0, lookEnds}, {size - lookEnds, lookEnds}}
	step := (size - 2*lookEnds) / (lookSpots + 1)
	for i := int64(1); i <= lookSpots; i++ {
		at := (lookEnds + i*step) / lookSpot * lookSpot
		out = append(out, [2]int64{at, lookSpot})
	}
	return out
}

// nonZero finds the first byte of a part of a disk that is not zero; -1 if
// there is none.
func nonZero(r io.ReaderAt, offset, length int64) (int64, error) {
	buf := make([]byte, min(length, lookEnds))
	for done := int64(0); done < length; {
		part := buf[:min(length-done, int64(len(buf)))]
		if n, err := r.ReadAt(part, offset+done); n < len(part) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, &Fault{Doing: "reading", Offset: offset + done + int64(n), Err: err}
		}
		for i, b := range part {
			if b != 0 {
				return offset + done + int64(i), nil
			}
		}
		done += int64(len(part))
	}
	return -1, nil
}
