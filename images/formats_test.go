package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is what all writers can write to.
type output interface {
	io.Writer
	io.WriterAt
}

// format is a writer with options.
type format struct {
	write func(ctx context.Context, w output, src Source) (Stats, error)
	// golden are hashes of the sample "borders".
	golden string
}

// formats are all writers.
func formats() map[string]format {
	return map[string]format{
		"raw": {
			func(ctx context.Context, w output, src Source) (Stats, error) {
				return WriteRaw(ctx, w, src, RawOptions{})
			},
			"a73467136c746f4429aaf50bed338852da5a052e49175ffd8026b33f875610b7",
		},
		"vmdk":               vmdkFormat("29eca2bf1674d769ab7009a673b2a31f3d51c000d9bb3f07036d000337eec60e"),
		"raw.gz":             gzipFormat("859b6b6a4ad2ff9e52d2506dc4f4c9ef8d8be3c611be6cf010be34198f5ddc2b"),
		"ova":                ovaFormat("11f47ccc79768556e034db152a505d330085e860b26b58cdaf6dab9b40f85e64"),
		"qcow2":              qcow2Format(QCOW2Options{}, "0217f47c12c50bf5970aefbc0c05e9cc9a2d9c75b4d659cfe3e7ca481bfb4ea3"),
		"qcow2 zlib":         qcow2Format(QCOW2Options{Compression: Zlib}, "adfacfb8ddd30f463fc3a68b519ac6c53648fed7fe58ba1fa5c43cf782b2739c"),
		"qcow2 uncompressed": qcow2Format(QCOW2Options{Compression: Uncompressed}, "cf940fe95393b8ae2363bbf149ec8c6e50dfe5c385df272be034d2f97c1a4497"),
	}
}

func eachFormat(t *testing.T, test func(t *testing.T, f format)) {
	for name, f := range formats() {
		t.Run(name, func(t *testing.T) { test(t, f) })
	}
}

// TestGolden holds the bytes of the formats. They change with a change of the
// format or of the compression library, which is then told in the changelog:
// people compare the hashes of images.
func TestGolden(t *testing.T) {
	eachFormat(t, func(t *testing.T, f format) {
		src, _ := samples()["borders"].source(t)
		if got := write(t, f, src).sum(t); got != f.golden {
			t.Errorf("got %s, want %s: if that is meant, set golden in formats_test.go", got, f.golden)
		}
	})
}

// TestContentOnly writes images of equal disks: with other holes, by other
// numbers of processors, composed of parts.
func TestContentOnly(t *testing.T) {
	eachFormat(t, func(t *testing.T, f format) {
		for _, name := range []string{"sector", "zeros", "odd end", "borders", "both"} {
			src, _ := samples()[name].source(t)
			want := write(t, f, src)
			withoutHoles := write(t, f, Plain(src, src.Size()))
			if withoutHoles.sum(t) != want.sum(t) || withoutHoles.stats != want.stats {
				t.Errorf("%s, without holes: another image (%+v, %+v)", name, withoutHoles.stats, want.stats)
			}
			if got := write(t, f, inParts(t, src)).sum(t); got != want.sum(t) {
				t.Errorf("%s, in parts: another image", name)
			}
			for _, n := range []int{1, 5} {
				withProcessors(n, func() {
					if got := write(t, f, src).sum(t); got != want.sum(t) {
						t.Errorf("%s, %d processors: another image", name, n)
					}
				})
			}
		}
	})
}

// inParts is the same disk of odd parts.
func inParts(t *testing.T, src Source) Source {
	t.Helper()
	var parts []Part
	for off := int64(0); off < src.Size(); {
		n := min(777777+off/3, src.Size()-off)
		parts = append(parts, Part{off, Plain(io.NewSectionReader(src, off, n), n)})
		off += n
	}
	d, err := NewDisk(src.Size(), parts...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestStats checks sizes against those of the samples.
func TestStats(t *testing.T) {
	eachFormat(t, func(t *testing.T, f format) {
		for name, want := range map[string]int64{"hole": 0, "zeros": 0, "words": 4 * mib, "noise": 4 * mib} {
			src, _ := samples()[name].source(t)
			if got := write(t, f, src).stats; got.DiskSize != 4*mib || got.DataSize != want {
				t.Errorf("%s: got %+v, want a disk of %d with %d", name, got, 4*mib, want)
			}
		}
	})
}

// device is an output, in memory, on which everything can fail.
type device struct {
	mu    sync.Mutex
	left  int  // bytes until it is full
	short bool // when full, writes less and says nothing
	write func()
}

func (d *device) Write(p []byte) (int, error) { return d.WriteAt(p, 0) }

var errFull = errors.New("device full")

func (d *device) WriteAt(p []byte, _ int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.write != nil {
		d.write()
	}
	n := min(len(p), d.left)
	d.left -= n
	if n < len(p) && !d.short {
		return n, errFull
	}
	return n, nil
}

func TestFullDevice(t *testing.T) {
	eachFormat(t, func(t *testing.T, f format) {
		src, _ := samples()["both"].source(t)
		whole := &device{left: 1 << 40}
		if _, err := f.write(t.Context(), whole, src); err != nil {
			t.Fatal(err)
		}
		total := 1<<40 - whole.left
		for _, left := range []int{0, 511, total / 2, total - 1} {
			if _, err := f.write(t.Context(), &device{left: left}, src); !errors.Is(err, errFull) {
				t.Errorf("full after %d of %d bytes: got %v, want %v", left, total, err, errFull)
			}
			if _, err := f.write(t.Context(), &device{left: left, short: true}, src); !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("short after %d of %d bytes: got %v, want %v", left, total, err, io.ErrShortWrite)
			}
		}
	})
}

// broken is a disk that cannot be read at one place.
type broken struct {
	Source
	at  int64
	err error
}

func (b *broken) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		n, _ := b.Source.ReadAt(p[:b.at-off], off)
		return n, b.err
	}
	return b.Source.ReadAt(p, off)
}

func TestBrokenDisk(t *testing.T) {
	bad := errors.New("bad sector")
	eachFormat(t, func(t *testing.T, f format) {
		src, _ := samples()["words"].source(t)
		for _, at := range []int64{0, 4*mib - 1} {
			if _, err := f.write(t.Context(), &device{left: 1 << 40}, &broken{src, at, bad}); !errors.Is(err, bad) {
				t.Errorf("at %d: got %v, want %v", at, err, bad)
			}
			// A file that was cut since its size was read.
			if _, err := f.write(t.Context(), &device{left: 1 << 40}, &broken{src, at, io.EOF}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("cut at %d: got %v, want %v", at, err, io.ErrUnexpectedEOF)
			}
		}
	})
}

// lying is a disk with wrong properties.
type lying struct {
	size    int64
	extents []Extent
	err     error
}

func (l *lying) Size() int64                           { return l.size }
func (l *lying) Extents() ([]Extent, error)            { return l.extents, l.err }
func (l *lying) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestBadSource(t *testing.T) {
	bad := errors.New("bad map")
	cases := map[string]struct {
		src  Source
		want string
	}{
		"empty":       {&lying{}, "disk of 0 bytes: the size must be a positive multiple of 512"},
		"negative":    {&lying{size: -512}, "disk of -512 bytes: the size must be"},
		"half sector": {&lying{size: 700}, "disk of 700 bytes: the size must be"},
		"no map":      {&lying{size: 512, err: bad}, "finding the data of the disk: bad map"},
		"outside":     {&lying{size: 512, extents: []Extent{{0, 513}}}, "extent of 513 bytes at 0 is"},
		"after":       {&lying{size: 512, extents: []Extent{{1024, 1}}}, "extent of 1 bytes at 1024 is"},
		"order":       {&lying{size: 512, extents: []Extent{{8, 8}, {0, 8}}}, "extent of 8 bytes at 0 is"},
		"overlap":     {&lying{size: 512, extents: []Extent{{0, 8}, {7, 8}}}, "extent of 8 bytes at 7 is"},
		"no length":   {&lying{size: 512, extents: []Extent{{0, 0}}}, "extent of 0 bytes at 0 is"},
		"negative at": {&lying{size: 512, extents: []Extent{{-8, 8}}}, "extent of 8 bytes at -8 is"},
	}
	eachFormat(t, func(t *testing.T, f format) {
		for name, c := range cases {
			d := &device{left: 1 << 40, write: func() { t.Errorf("%s: wrote something", name) }}
			if _, err := f.write(t.Context(), d, c.src); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got error %v, want %q", name, err, c.want)
			}
		}
	})
}

// TestCancel ends writers at every write and looks for what is left.
func TestCancel(t *testing.T) {
	eachFormat(t, func(t *testing.T, f format) {
		src, _ := samples()["both"].source(t)
		before := runtime.NumGoroutine()
		for at := range 4 {
			ctx, cancel := context.WithCancelCause(t.Context())
			why := fmt.Errorf("interrupted at write %d", at)
			writes := 0
			d := &device{left: 1 << 40, write: func() {
				if writes++; writes == at+1 {
					cancel(why)
				}
			}}
			if at == 0 {
				cancel(why)
			}
			if _, err := f.write(ctx, d, src); writes > at && !errors.Is(err, why) {
				t.Errorf("got %v, want %v", err, why)
			}
			cancel(nil)
		}
		for wait := time.Millisecond; runtime.NumGoroutine() > before; wait *= 2 {
			if wait > time.Second {
				t.Fatalf("%d goroutines, were %d", runtime.NumGoroutine(), before)
			}
			time.Sleep(wait)
		}
	})
}

// TestRepeat checks that what was read last time does not leak into
// images: buffers are used again.
func TestRepeat(t *testing.T) {
	eachFormat(t, func(t *testing.T, f format) {
		// A block of noise, then short ones.
		content := noise(1, 12*mib)
		for i := int64(0); i < 12; i++ {
			clear(content[i*mib+i*mib/12 : (i+1)*mib])
		}
		a := write(t, f, Bytes(content))
		withProcessors(1, func() {
			if b := write(t, f, Bytes(content)); a.sum(t) != b.sum(t) {
				t.Error("another image")
			}
		})
	})
}
