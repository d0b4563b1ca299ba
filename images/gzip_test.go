package images

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func gzipFormat(golden string) format {
	return format{func(ctx context.Context, w output, src Source) (Stats, error) {
		return WriteRawGzip(ctx, w, src, GzipOptions{})
	}, golden}
}

func TestGzip(t *testing.T) {
	eachSample(t, func(t *testing.T, src Source, path string) {
		image := write(t, gzipFormat(""), src).path
		mustGunzip(t, image, path)
		back := filepath.Join(t.TempDir(), "back.raw")
		if err := os.Rename(image, image+".gz"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(back, []byte(tool(t, "gzip", "-dc", image+".gz")), 0o600); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, back, path)
		tool(t, "pigz", "-t", image+".gz")
	})
}

// mustGunzip reads one member, as readers do that know of no more, and checks
// that it is all.
func mustGunzip(t *testing.T, image, path string) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false)
	if !r.ModTime.IsZero() || r.Name != "" || r.Comment != "" || len(r.Extra) > 0 {
		t.Errorf("the header has %+v, want nothing", r.Header)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes (%v) that differ from the disk's %d", len(got), err, len(want))
	}
	if err := r.Reset(f); err == nil {
		t.Error("there is another member")
	}
}

// TestGzipLarge compares the trailer only: unpacking takes longer than all else.
func TestGzipLarge(t *testing.T) {
	src, _ := sample{5*gib + 512, []piece{{0, 512, noise}, {4*gib - 4096, 8192, words}}}.source(t)
	image := write(t, gzipFormat(""), src)
	want := crc32.NewIEEE() // reading the disk would take longer
	zero := make([]byte, mib)
	for at := int64(0); at < src.Size(); {
		n := min(mib, src.Size()-at)
		b := zero[:n]
		if at == 0 || at == 4*gib-mib || at == 4*gib {
			b = make([]byte, n)
			if _, err := src.ReadAt(b, at); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = want.Write(b)
		at += n
	}
	content, err := os.ReadFile(image.path)
	if err != nil {
		t.Fatal(err)
	}
	trailer := content[len(content)-8:]
	if got := binary.LittleEndian.Uint32(trailer); got != want.Sum32() {
		t.Errorf("got checksum %08x, want %08x", got, want.Sum32())
	}
	if got := binary.LittleEndian.Uint32(trailer[4:]); got != gib+512 {
		t.Errorf("got size %d modulo 4 GiB, want %d", got, gib+512)
	}
	if image.stats.FileSize > 8*mib {
		t.Errorf("the image has %d bytes, want about a thousandth of the disk", image.stats.FileSize)
	}
}

// TestGzipHistory checks that pieces refer to the piece before: noise that
// repeats across a border is stored once.
func TestGzipHistory(t *testing.T) {
	content := noise(1, 2*mib)
	copy(content[mib:], content[mib-30*kib:mib])
	got := write(t, gzipFormat(""), Plain(bytes.NewReader(content), 2*mib)).stats.FileSize
	if want := int64(2*mib - 29*kib); got > want {
		t.Errorf("got %d bytes, want at most %d", got, want)
	}
}

func TestCRC(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		a, b := noise(r.Uint64(), r.Int64N(5000)), noise(r.Uint64(), r.Int64N(5000))
		got := joinCRC(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), int64(len(b)))
		if want := crc32.ChecksumIEEE(append(a, b...)); got != want {
			t.Fatalf("%d and %d bytes: got %08x, want %08x", len(a), len(b), got, want)
		}
	}
	for _, n := range []int64{0, 1, 511, 512, mib, 3*mib + 7} {
		if got, want := zerosCRC(n), crc32.ChecksumIEEE(make([]byte, n)); got != want {
			t.Errorf("%d zeros: got %08x, want %08x", n, got, want)
		}
	}
	if got := fmt.Sprintf("%08x", joinCRC(0, zerosCRC(5*gib), 5*gib)); got != fmt.Sprintf("%08x", zerosCRC(5*gib)) {
		t.Errorf("5 GiB of zeros after nothing: got %s", got)
	}
}
