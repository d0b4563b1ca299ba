package boot

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// directAlign is what reading past the page cache wants of offsets, lengths and
// memory, in bytes: the sectors of any disk (open(2), O_DIRECT).
const directAlign = 4096

// openRead opens a device, and waits for nothing that it may ask for.
func openRead(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// device is a disk that is written to. While it is open nobody else can mount
// it or claim it.
type device struct {
	f      *os.File
	direct *os.File // past the page cache; nil where that is not to be had
	buf    []byte   // aligned
}

var _ Target = (*device)(nil)

// openDisk opens a disk for writing.
func openDisk(path string) (_ *device, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_EXCL, 0) // of a device: nobody else uses it (open(2))
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("opening %s: it is in use", path)
	}
	if err != nil {
		return nil, err
	}
	d := &device{f: f}
	defer func() {
		if err != nil {
			_ = d.close() // the error is the other one
		}
	}()
	if d.buf, err = unix.Mmap(-1, 0, chunk+directAlign, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	d.direct, err = os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return nil, err
	}
	return d, nil
}

// WriteAt implements Target.
func (d *device) WriteAt(data []byte, offset int64) (int, error) { return d.f.WriteAt(data, offset) }

// Sync implements Target.
func (d *device) Sync() error { return d.f.Sync() }

// ReadAt implements Target.
func (d *device) ReadAt(data []byte, offset int64) (int, error) {
	done := 0
	for done < len(data) {
		n, err := d.readDirect(data[done:], offset+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readDirect reads some of what is asked for.
func (d *device) readDirect(data []byte, offset int64) (int, error) {
	from := offset / directAlign * directAlign
	skip := int(offset - from)
	want := min((skip+len(data)+directAlign-1)/directAlign*directAlign, len(d.buf))
	n, err := d.readAround(d.buf[:want], from)
	if n <= skip {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	return copy(data, d.buf[skip:n]), nil
}

// readAround reads an aligned part. Where the device cannot be read past the
// cache, the cache is emptied of it first.
func (d *device) readAround(buf []byte, offset int64) (int, error) {
	if d.direct != nil {
		n, err := d.direct.ReadAt(buf, offset)
		if !errors.Is(err, unix.EINVAL) {
			return n, err
		}
		_ = d.direct.Close() // nothing was written
		d.direct = nil
	}
	if err := unix.Fadvise(int(d.f.Fd()), offset, int64(len(buf)), unix.FADV_DONTNEED); err != nil {
		return 0, fmt.Errorf("emptying the cache: %w", err)
	}
	return d.f.ReadAt(buf, offset)
}

// reread has the kernel look for the partitions of the disk again.
func (d *device) reread() error {
	if err := unix.IoctlSetInt(int(d.f.Fd()), unix.BLKRRPART, 0); err != nil && !errors.Is(err, unix.ENOTTY) {
		return fmt.Errorf("reading the new partition table: %w", err)
	}
	return nil
}

func (d *device) close() error {
	var err error
	if d.direct != nil {
		err = d.direct.Close()
	}
	if d.buf != nil {
		err = errors.Join(err, unix.Munmap(d.buf))
	}
	return errors.Join(err, d.f.Close())
}
