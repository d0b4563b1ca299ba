package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// A disk is written in this order, and what is written is on it before the next
// begins, so that a power cut leaves it as it was, or unfinished, or whole:
//
//  1. the mark that an installation is under way
//  2. zeros over the head, and over the end of the disk, where the copies of
//     tables and marks of RAID are
//  3. the body of the image, which is read back
//  4. the head of the image: the boot code and the partition table
//  5. zeros over the mark
const (
	headSize  = 1 << 20  // before the first partition, bytes
	markAt    = 32 << 10 // behind the table's entries, bytes; an image has zeros there
	markSize  = imageSector
	chunk     = 4 << 20  // bytes that are written, and read back, at once
	syncEvery = 64 << 20 // bytes; so that progress is that of the disk
)

// What the marks begin with. That of a state stays: it stands where partitions
// never are, and means nothing once the disk has a table.
const (
	markText  = "INGOT INSTALLATION UNDER WAY\n"
	stateText = "INGOT STATE IS MADE HERE\n"
)

// readMark reads the mark of a disk; a disk that is too small has none.
func readMark(r io.ReaderAt) (string, error) {
	buf := make([]byte, markSize)
	if n, err := r.ReadAt(buf, markAt); n < len(buf) && err != nil && !errors.Is(err, io.EOF) {
		return "", &Fault{Doing: "reading", Offset: markAt, Err: err}
	}
	return string(buf), nil
}

// MarkState marks an empty disk of so many bytes as one whose state is made, so
// that a power cut meanwhile leaves one that is known as ours.
func MarkState(disk Target, size int64) error {
	w := &writer{disk: disk, size: size}
	return w.mark(stateText)
}

// WriteImage writes an image to a disk of so many bytes and reads it back. Said
// is told how far it is, in bytes of the image. An error leaves a disk that is
// known as unfinished, and does not boot.
func WriteImage(ctx context.Context, disk Target, size int64, image Source, said func(doing string, done int64)) error {
	w := &writer{disk: disk, size: size, image: image, said: said, whole: sha256.New()}
	for _, step := range []func(context.Context) error{w.readHead, w.begin, w.body, w.readBack, w.end} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// writer is an installation under way.
type writer struct {
	disk  Target
	size  int64
	image Source
	said  func(string, int64)

	head  []byte
	sums  [][sha256.Size]byte // of the chunks of the body
	whole interface {
		io.Writer
		Sum([]byte) []byte
	}
}

// readHead reads the head, and looks whether the image is one that can be
// written in this way.
func (w *writer) readHead(context.Context) error {
	if w.image.Size < headSize || w.size < w.image.Size+lookEnds {
		return fmt.Errorf("an image of %d bytes cannot be written to a disk of %d", w.image.Size, w.size)
	}
	w.head = make([]byte, headSize)
	if err := w.read(w.head, 0); err != nil {
		return err
	}
	if at, err := nonZero(bytes.NewReader(w.head), markAt, markSize); err != nil || at >= 0 {
		return fmt.Errorf("the image has something at offset %d, where the mark of an installation has its place", at)
	}
	_, _ = w.whole.Write(w.head) // a hash takes all
	return nil
}

// read reads a part of the image.
func (w *writer) read(buf []byte, offset int64) error {
	if n, err := w.image.ReadAt(buf, offset); n < len(buf) {
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("it ends here; is the medium whole?")
		}
		return &Fault{Doing: "reading the image from the medium", Offset: offset + int64(n), Err: err}
	}
	return nil
}

// put writes to the disk.
func (w *writer) put(data []byte, offset int64) error {
	if n, err := w.disk.WriteAt(data, offset); err != nil {
		return &Fault{Doing: "writing the disk", Offset: offset + int64(n), Err: err}
	}
	return nil
}

func (w *writer) sync() error {
	if err := w.disk.Sync(); err != nil {
		return fmt.Errorf("writing the disk: %w", err)
	}
	return nil
}

// begin marks the disk, and then takes away what it was known by.
func (w *writer) begin(context.Context) error { return w.mark(markText + w.image.SHA256 + "\n") }

func (w *writer) mark(text string) error {
	mark := make([]byte, markSize)
	copy(mark, text)
	if err := w.put(mark, markAt); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	none := make([]byte, lookEnds)
	return errors.Join(w.put(none[:markAt], 0), w.put(none[:lookEnds-markAt-markSize], markAt+markSize),
		w.put(none, w.size-lookEnds), w.sync())
}

// body writes what follows the head.
func (w *writer) body(ctx context.Context) error {
	buf := make([]byte, chunk)
	for at, dirty := int64(headSize), 0; at < w.image.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(chunk, w.image.Size-at)]
		if err := w.read(part, at); err != nil {
			return err
		}
		_, _ = w.whole.Write(part) // a hash takes all
		w.sums = append(w.sums, sha256.Sum256(part))
		if err := w.put(part, at); err != nil {
			return err
		}
		if at, dirty = at+int64(len(part)), dirty+len(part); dirty >= syncEvery || at == w.image.Size {
			if err := w.sync(); err != nil {
				return err
			}
			dirty = 0
			w.said("written", at)
		}
	}
	if got := hex.EncodeToString(w.whole.Sum(nil)); got != w.image.SHA256 {
		return fmt.Errorf("the image on the medium is damaged: its SHA-256 is %s, and should be %s: make the medium again", got, w.image.SHA256)
	}
	return nil
}

// readBack compares the body on the disk with what was written.
func (w *writer) readBack(ctx context.Context) error {
	buf := make([]byte, chunk)
	for i, sum := range w.sums {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := headSize + int64(i)*chunk
		part := buf[:min(chunk, w.image.Size-at)]
		if err := w.compare(part, at, sum); err != nil {
			return err
		}
		w.said("read back", at+int64(len(part)))
	}
	return nil
}

// compare reads a part of the disk, and finds the first wrong byte.
func (w *writer) compare(part []byte, at int64, sum [sha256.Size]byte) error {
	if n, err := w.disk.ReadAt(part, at); n < len(part) {
		return &Fault{Doing: "reading the disk back", Offset: at + int64(n), Err: err}
	}
	if sha256.Sum256(part) == sum {
		return nil
	}
	want := make([]byte, len(part))
	if err := w.read(want, at); err != nil {
		return err
	}
	for i := range want {
		if part[i] != want[i] {
			return wrongByte(at+int64(i), part[i], want[i])
		}
	}
	return &Fault{Doing: "reading the image from the medium", Offset: at, Err: errors.New("it is not the same twice: the medium is faulty")}
}

func wrongByte(at int64, got, want byte) error {
	return &Fault{Doing: "reading the disk back", Offset: at, Err: fmt.Errorf("it has the byte %#02x where %#02x was written: the disk is faulty", got, want)}
}

// end writes the head, and then takes the mark away.
func (w *writer) end(context.Context) error {
	// The mark stands in the head, where the image has zeros.
	front, back := w.head[:markAt], w.head[markAt+markSize:]
	if err := errors.Join(w.put(front, 0), w.put(back, markAt+markSize), w.sync()); err != nil {
		return err
	}
	got := make([]byte, headSize)
	if n, err := w.disk.ReadAt(got, 0); n < len(got) {
		return &Fault{Doing: "reading the disk back", Offset: int64(n), Err: err}
	}
	clear(got[markAt : markAt+markSize]) // as it is in the image
	for i := range got {
		if got[i] != w.head[i] {
			return wrongByte(int64(i), got[i], w.head[i])
		}
	}
	return errors.Join(w.put(make([]byte, markSize), markAt), w.sync())
}
