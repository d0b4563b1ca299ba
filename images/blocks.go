package images

import (
	"bytes"
	"iter"
)

// block is a piece of a disk on a grid, by its number.
type block struct {
	index  int64
	offset int64 // in bytes
	length int   // in bytes; the last block of the disk may be short
}

// blocks lists those blocks of size bytes that have data, in order.
func (d *disk) blocks(size int) iter.Seq[block] {
	return func(yield func(block) bool) {
		next := int64(0) // the first block that was not yielded
		for _, e := range d.extents {
			for i := max(next, e.Offset/int64(size)); i*int64(size) < e.end(); i++ {
				offset := i * int64(size)
				if !yield(block{i, offset, int(min(int64(size), d.Size()-offset))}) {
					return
				}
				next = i + 1
			}
		}
	}
}

// zeros is compared to.
var zeros [64 << 10]byte

// isZero reports whether there are only zeros.
func isZero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}
