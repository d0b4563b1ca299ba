package configiso

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kdomanski/iso9660"
)

// Write writes v to w as an ISO 9660 volume, with one call of w.Write. The same
// volume gives the same bytes, whatever the order of its files, the clock, the
// time zone, the umask and the machine. Before anything goes to w, v is
// validated, and the image is read back and compared to it.
//
// The library needs a folder in os.TempDir for as long as this takes. Only
// names and sizes of the files are ever in there.
func Write(w io.Writer, v Volume) error {
	image, err := build(v)
	if err != nil {
		return fmt.Errorf("writing volume %q: %w", v.Label, err)
	}
	n, err := w.Write(image)
	if err == nil && n < len(image) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("writing volume %q: %w", v.Label, err)
	}
	return nil
}

func build(v Volume) ([]byte, error) {
	if err := v.Validate(); err != nil {
		return nil, err
	}
	image, err := skeleton(v)
	if err != nil {
		return nil, err
	}
	if image, err = finish(image, v); err != nil {
		return nil, fmt.Errorf("finishing the image: %w", err)
	}
	if err := verify(image, v); err != nil {
		return nil, fmt.Errorf("reading the image back: %w", err)
	}
	return image, nil
}

// skeleton has the library write the volume with zeros in place of contents.
func skeleton(v Volume) (image []byte, err error) {
	staging, err := iso9660.NewWriter()
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() {
		if cleanErr := staging.Cleanup(); cleanErr != nil && err == nil {
			err = fmt.Errorf("removing the temporary folder: %w", cleanErr)
		}
	}()
	size := int64(systemSectors+8) * sectorSize
	for _, f := range v.Files {
		if err := staging.AddFile(&hole{left: int64(len(f.Data))}, f.Path); err != nil {
			return nil, fmt.Errorf("staging a placeholder for file %q: %w", f.Path, err)
		}
		size += sectorsOf(int64(len(f.Data))) * sectorSize
	}
	var b bytes.Buffer
	b.Grow(int(size))
	if err := staging.WriteTo(&b, v.Label); err != nil {
		return nil, fmt.Errorf("laying out the volume: %w", err)
	}
	return b.Bytes(), nil
}

// hole stands for a file of zeros. Copied to a file, as the library does, it
// only sets the size: nothing is written.
type hole struct{ left int64 }

var (
	_ io.Reader   = (*hole)(nil)
	_ io.WriterTo = (*hole)(nil)
)

func (h *hole) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), h.left))
	clear(p[:n])
	h.left -= int64(n)
	return n, nil
}

// WriteTo is what io.Copy prefers to Read.
func (h *hole) WriteTo(w io.Writer) (int64, error) {
	file, ok := w.(interface{ Truncate(size int64) error })
	if !ok {
		return io.Copy(w, struct{ io.Reader }{h})
	}
	n := h.left
	if err := file.Truncate(n); err != nil {
		return 0, err
	}
	h.left = 0
	return n, nil
}

// verify reads the image as anybody's and compares it to v, times included.
func verify(image []byte, v Volume) error {
	disk, err := open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return err
	}
	stamp := recordStamp(v.Time)
	err = disk.walk(func(n node) error {
		if !bytes.Equal(n.stamp, stamp) {
			return fmt.Errorf("%q has the time % x, not % x", n.path, n.stamp, stamp)
		}
		return nil
	})
	if err != nil {
		return err
	}
	got, err := Read(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return err
	}
	if got.Label != v.Label {
		return fmt.Errorf("label is %q", got.Label)
	}
	if want := v.Time.Unix(); got.Time.Unix() != want {
		return fmt.Errorf("volume has the time %d, not %d", got.Time.Unix(), want)
	}
	return sameFiles(got.Files, v.Files)
}

// sameFiles compares what was read, which is sorted, to what was to be written.
// It never prints contents, which are secret.
func sameFiles(got, want []File) error {
	want = slices.SortedFunc(slices.Values(want), byPath)
	if len(got) != len(want) {
		return fmt.Errorf("there are %d files, not %d", len(got), len(want))
	}
	var problems []error
	for i := range want {
		switch {
		case got[i].Path != want[i].Path:
			problems = append(problems, fmt.Errorf("file %q is there instead of %q", got[i].Path, want[i].Path))
		case !bytes.Equal(got[i].Data, want[i].Data):
			problems = append(problems, fmt.Errorf("file %q has other content", want[i].Path))
		}
	}
	return errors.Join(problems...)
}

func byPath(a, b File) int { return cmp.Compare(a.Path, b.Path) }
