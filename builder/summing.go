package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// zeros are what a file has where nothing was written.
var zeros = make([]byte, 64<<10)

// summing is a new file that is hashed while it is written, as far as it is
// written from its beginning to its end. A part that is written later, such as
// the head of a QCOW2 image or of an OVA, costs reading the file again.
type summing struct {
	*atomicfile.File
	sum   hash.Hash
	next  int64 // as much was hashed, in bytes
	at    int64 // of the next Write, in bytes
	again bool  // whether something was written behind next
}

func newSumming(f *atomicfile.File) *summing { return &summing{File: f, sum: sha256.New()} }

var (
	_ io.Writer   = (*summing)(nil)
	_ io.WriterAt = (*summing)(nil)
)

// Write implements io.Writer. The file is written by Write or by WriteAt.
func (s *summing) Write(p []byte) (int, error) {
	n, err := s.both(p, s.at, s.File.Write)
	s.at += int64(n)
	return n, err
}

// WriteAt implements io.WriterAt, for one goroutine at a time.
func (s *summing) WriteAt(p []byte, off int64) (int, error) {
	return s.both(p, off, func(p []byte) (int, error) { return s.File.WriteAt(p, off) })
}

// both hashes what is being written.
func (s *summing) both(p []byte, off int64, write func([]byte) (int, error)) (int, error) {
	hashed := make(chan struct{})
	go func() {
		defer close(hashed)
		s.add(p, off)
	}()
	n, err := write(p)
	<-hashed
	return n, err
}

func (s *summing) add(p []byte, off int64) {
	if s.again = s.again || off < s.next; s.again {
		return
	}
	s.skip(off)
	s.sum.Write(p)
	s.next = off + int64(len(p))
}

// skip hashes a hole.
func (s *summing) skip(to int64) {
	for s.next < to {
		n := min(int64(len(zeros)), to-s.next)
		s.sum.Write(zeros[:n])
		s.next += n
	}
}

// SHA256 is that of the file, which has size bytes, in hexadecimal.
func (s *summing) SHA256(ctx context.Context, size int64) (string, error) {
	if s.again || s.next > size {
		return sumOf(ctx, s.File, size)
	}
	s.skip(size)
	return hex.EncodeToString(s.sum.Sum(nil)), nil
}
