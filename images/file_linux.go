package images

import "golang.org/x/sys/unix"

// lseek(2): the next data, the next hole.
const (
	seekData = unix.SEEK_DATA
	seekHole = unix.SEEK_HOLE
)
