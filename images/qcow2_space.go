package images

import "math"

// maxTails bounds the clusters that wait for compressed data that fits.
const maxTails = 16

// qcow2Space hands out the space of a qcow2 file, in order from its start, and
// counts how often each cluster is referred to.
type qcow2Space struct {
	size  int64    // of a cluster, in bytes
	refs  []uint16 // of each cluster of the file
	tails []tail   // ends of clusters of compressed data
}

// tail is free space at the end of a cluster.
type tail struct{ offset, length int64 }

// end is the size of the file in bytes so far.
func (s *qcow2Space) end() int64 { return int64(len(s.refs)) * s.size }

// clusters takes n clusters in a row and returns where they begin.
func (s *qcow2Space) clusters(n int64) int64 {
	offset := s.end()
	for range n {
		s.refs = append(s.refs, 1)
	}
	return offset
}

// bytes takes n bytes, less than a cluster, in a row for compressed data. Each
// cluster that holds some of them is referred to once more.
func (s *qcow2Space) bytes(n int64) int64 {
	for i, t := range s.tails {
		refs := &s.refs[t.offset/s.size]
		if *refs == math.MaxUint16 {
			continue
		}
		atEnd := t.offset+t.length == s.end()
		if n > t.length && !atEnd {
			continue
		}
		*refs++
		left := tail{t.offset + n, t.length - n}
		if n > t.length {
			s.clusters(1)
			left.length += s.size
		}
		s.tails[i] = left
		if left.length == 0 {
			s.tails = append(s.tails[:i], s.tails[i+1:]...)
		}
		return t.offset
	}
	offset := s.clusters(1)
	s.keep(tail{offset + n, s.size - n})
	return offset
}

// keep remembers a tail, instead of the shortest where there are too many.
func (s *qcow2Space) keep(t tail) {
	if len(s.tails) < maxTails {
		s.tails = append(s.tails, t)
		return
	}
	shortest := 0
	for i := range s.tails {
		if s.tails[i].length < s.tails[shortest].length {
			shortest = i
		}
	}
	s.tails = append(append(s.tails[:shortest], s.tails[shortest+1:]...), t)
}
