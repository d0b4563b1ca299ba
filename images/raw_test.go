package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestRaw(t *testing.T) {
	eachSample(t, func(t *testing.T, src Source, path string) {
		mustEqual(t, write(t, formats()["raw"], src).path, path)
	})
}

// appendOnly hides that a file can be truncated.
type appendOnly struct{ output }

func TestRawHoles(t *testing.T) {
	src, path := sample{5 * gib, []piece{{gib, 4096, noise}, {2 * gib, mib, nothing}, {4*gib - 1, 2, words}}}.source(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	if _, err := WriteRaw(t.Context(), appendOnly{out}, src, RawOptions{}); err != nil {
		t.Fatal(err)
	}
	info, err := out.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != 5*gib || used > 64*kib {
		t.Errorf("got %d bytes that use %d, want %d and a few pages", info.Size(), used, int64(5*gib))
	}
	mustCompare(t, "raw", out.Name(), path)
}

func TestFileExtents(t *testing.T) {
	f := sample{8 * mib, []piece{{mib, 4096, noise}, {6 * mib, 2 * mib, words}}}.file(t)
	src, err := NewFile(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := src.Extents()
	if err != nil {
		t.Fatal(err)
	}
	if want := []Extent{{mib, 4096}, {6 * mib, 2 * mib}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := f.Truncate(9 * mib); err != nil {
		t.Fatal(err)
	}
	if grown, err := src.Extents(); err != nil || !slices.Equal(grown, got) {
		t.Errorf("after the file has grown: got %v, %v, want %v", grown, err, got)
	}
}

// TestFileWithoutHoles asks a file that does not know of holes.
func TestFileWithoutHoles(t *testing.T) {
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	got, err := (&File{f, 4096}).Extents()
	if err != nil || !slices.Equal(got, []Extent{{0, 4096}}) {
		t.Errorf("got %v, %v, want one extent", got, err)
	}
}

func TestNewDiskErrors(t *testing.T) {
	part := func(offset, size int64) Part { return Part{offset, &lying{size: size}} }
	for want, parts := range map[string][]Part{
		"composing a disk of 4096 bytes: part of 512 bytes at -1 is outside":                                 {part(-1, 512)},
		"composing a disk of 4096 bytes: part of 512 bytes at 3585 is outside":                               {part(3585, 512)},
		"composing a disk of 4096 bytes: part of 1 bytes at 9000 is outside":                                 {part(9000, 1)},
		"composing a disk of 4096 bytes: part of 512 bytes at 511 begins before the end of another at 512":   {part(0, 512), part(511, 512)},
		"composing a disk of 4096 bytes: part of 512 bytes at 1024 begins before the end of another at 1025": {part(1024, 512), part(1000, 25)},
	} {
		if _, err := NewDisk(4096, parts...); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := NewDisk(4096, part(0, 4096), part(4096, 0), part(7, 0)); err != nil {
		t.Errorf("parts that fit: %v", err)
	}
}

// TestDiskReads reads a composed disk in all kinds of ways.
func TestDiskReads(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		size := 1 + r.Int64N(5000)
		want := make([]byte, size)
		var parts []Part
		for at := r.Int64N(500); at < size; {
			n := min(r.Int64N(700), size-at)
			content := noise(r.Uint64(), n)
			copy(want[at:], content)
			parts = append(parts, Part{at, Plain(&sectioned{content}, n)})
			at += n + max(0, r.Int64N(400)-100)
		}
		rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		d, err := NewDisk(size, parts...)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			off := r.Int64N(size + 10)
			buf := noise(1, r.Int64N(size+10))
			n, err := d.ReadAt(buf, off)
			wantN := int(max(0, min(int64(len(buf)), size-off)))
			atEnd := n < len(buf) || off >= size
			if n != wantN || errors.Is(err, io.EOF) != atEnd || !bytes.Equal(buf[:n], want[min(off, size):][:n]) {
				t.Fatalf("reading %d at %d of %d: got %d, %v", len(buf), off, size, n, err)
			}
		}
	}
}

// sectioned is a reader that is strict about io.EOF.
type sectioned struct{ b []byte }

func (s *sectioned) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, s.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestDiskExtents nests disks.
func TestDiskExtents(t *testing.T) {
	inner, err := NewDisk(8192, Part{4096, Plain(&sectioned{}, 512)}, Part{0, Plain(&sectioned{}, 512)})
	if err != nil {
		t.Fatal(err)
	}
	outer, err := NewDisk(mib, Part{65536, inner}, Part{0, Plain(&sectioned{}, 440)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := outer.Extents()
	if want := []Extent{{0, 440}, {65536, 512}, {65536 + 4096, 512}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestProgress(t *testing.T) {
	src, _ := samples()["borders"].source(t)
	var got []string
	_, err := WriteRaw(context.Background(), &device{left: 1 << 40}, src, RawOptions{
		Progress: func(done, total int64) { got = append(got, fmt.Sprintf("%d/%d", done/mib, total/mib)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 3 || got[0] != "0/11" || got[len(got)-1] != "11/11" {
		t.Errorf("got %v, want it to go from 0/11 to 11/11", got)
	}
}
