package images

import (
	"context"
	"io"

	"github.com/ingot-k8s/ingot/images/internal/ordered"
)

// Stats are the sizes of an image, in bytes.
type Stats struct {
	DiskSize int64 // of the disk, as the machine sees it
	DataSize int64 // of the blocks of the disk that are not all zeros; the block size is the format's
	FileSize int64 // of the image
}

// Progress is told now and then how many bytes of the disk were written, of
// how many that may be data. It is called by the goroutine that called the
// writer.
type Progress func(done, total int64)

// chunk is how much of a disk is read at once, in bytes. It is a multiple of
// what the formats compress at once.
const chunk = 1 << 20

// eachChunk works on the chunks of the disk that have data.
func eachChunk[W, S any](ctx context.Context, d *disk, size int, progress Progress, work ordered.Work[block, W, S]) error {
	if progress != nil {
		done, total := int64(0), int64(0)
		for b := range d.blocks(size) {
			total += int64(b.length)
		}
		progress(0, total)
		emit := work.Emit
		work.Emit = func(slot S, b block) error {
			if err := emit(slot, b); err != nil {
				return err
			}
			done += int64(b.length)
			progress(done, total)
			return nil
		}
	}
	return ordered.Run(ctx, d.blocks(size), work)
}

// writeAll writes p, and takes a short write for an error.
func writeAll(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// strict takes short writes for errors: a bufio.Writer would try for ever.
type strict struct{ io.Writer }

func (s strict) Write(p []byte) (int, error) {
	if err := writeAll(s.Writer, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeAllAt writes p at off, and takes a short write for an error.
func writeAllAt(w io.WriterAt, p []byte, off int64) error {
	n, err := w.WriteAt(p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}
