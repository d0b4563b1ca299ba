package images

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func qcow2Format(opts QCOW2Options, golden string) format {
	return format{func(ctx context.Context, w output, src Source) (Stats, error) {
		return WriteQCOW2(ctx, w, src, opts)
	}, golden}
}

// mustBeQCOW2 has QEMU check an image and compare it to the disk.
func mustBeQCOW2(t *testing.T, image, disk string) {
	t.Helper()
	tool(t, "qemu-img", "check", "-q", "-f", "qcow2", image) // fails for leaks, too
	mustCompare(t, "qcow2", image, disk)
}

func TestQCOW2(t *testing.T) {
	eachSample(t, func(t *testing.T, src Source, path string) {
		mustBeQCOW2(t, write(t, qcow2Format(QCOW2Options{}, ""), src).path, path)
	})
}

func TestQCOW2WithOptions(t *testing.T) {
	for _, opts := range []QCOW2Options{
		{Compression: Zlib}, {Compression: Uncompressed}, {ClusterSize: 4 * kib}, {Compression: Zlib, ClusterSize: 4 * kib},
		{ClusterSize: 2 * mib}, {Compression: Zlib, ClusterSize: 2 * mib},
	} {
		for _, name := range []string{"odd end", "borders", "both"} {
			t.Run(fmt.Sprint(opts.Compression, opts.ClusterSize, name), func(t *testing.T) {
				src, path := samples()[name].source(t)
				mustBeQCOW2(t, write(t, qcow2Format(opts, ""), src).path, path)
			})
		}
	}
}

func TestQCOW2Info(t *testing.T) {
	src, _ := samples()["words"].source(t)
	for c, want := range map[QCOW2Compression]string{Zstd: "zstd", Zlib: "zlib", Uncompressed: "zlib"} {
		image := write(t, qcow2Format(QCOW2Options{Compression: c, ClusterSize: 128 * kib}, ""), src).path
		var info struct {
			Size        int64 `json:"virtual-size"`
			ClusterSize int   `json:"cluster-size"`
			Specific    struct {
				Data struct {
					Compat      string
					Compression string `json:"compression-type"`
					Refcounts   int    `json:"refcount-bits"`
				}
			} `json:"format-specific"`
		}
		if err := json.Unmarshal([]byte(tool(t, "qemu-img", "info", "--output=json", image)), &info); err != nil {
			t.Fatal(err)
		}
		got := info.Specific.Data
		if info.Size != 4*mib || info.ClusterSize != 128*kib || got.Compat != "1.1" || got.Compression != want || got.Refcounts != 16 {
			t.Errorf("got %+v, want compression %q", info, want)
		}
	}
}

// TestQCOW2Large needs several tables of each kind.
func TestQCOW2Large(t *testing.T) {
	src, path := sample{5*gib + 512, []piece{
		{0, 512, noise}, {512*mib - 1, 2, words}, {2 * gib, 64 * kib, noise}, {4*gib - 4096, 8192, words}, {5 * gib, 512, words},
	}}.source(t)
	for _, size := range []int{64 * kib, 4 * kib} {
		got := write(t, qcow2Format(QCOW2Options{ClusterSize: size}, ""), src)
		if got.stats.FileSize > mib {
			t.Errorf("the image has %d bytes, want a few pages of data and tables", got.stats.FileSize)
		}
		mustBeQCOW2(t, got.path, path)
	}
}

// TestQCOW2Refcounts fills the counts of clusters that hold very much.
func TestQCOW2Refcounts(t *testing.T) {
	s := qcow2Space{size: 2 * mib}
	s.clusters(1)
	for i := range int64(math.MaxUint16 + 10) {
		if at := s.bytes(20); i >= math.MaxUint16 && at < 4*mib {
			t.Fatalf("piece %d is at %d, in a cluster whose count is full", i, at)
		}
	}
	if s.refs[1] != math.MaxUint16 || s.refs[2] != 10 {
		t.Errorf("got counts %v, want 1, %d, 10", s.refs, math.MaxUint16)
	}
}

// TestQCOW2Space takes space at random and checks that nothing overlaps, that
// counts are right and that little is lost.
func TestQCOW2Space(t *testing.T) {
	const size = 4096
	r := rand.New(rand.NewPCG(3, 4))
	s := qcow2Space{size: size}
	var owner []bool // of each byte
	refs := map[int64]uint16{}
	var taken int64
	for range 2000 {
		var at int64
		n := 1 + r.Int64N(size*31/32)
		if r.IntN(3) == 0 {
			n = size
			at = s.clusters(1)
		} else {
			at = s.bytes(n)
		}
		taken += n
		owner = append(owner, make([]bool, s.end()-int64(len(owner)))...)
		for b := at; b < at+n; b++ {
			if owner[b] {
				t.Fatalf("byte %d of %d is given away twice", b, s.end())
			}
			owner[b] = true
		}
		for c := at / size; c <= (at+n-1)/size; c++ {
			refs[c]++
		}
	}
	for c, n := range refs {
		if s.refs[c] != n {
			t.Errorf("cluster %d is counted %d times, want %d", c, s.refs[c], n)
		}
	}
	if lost := s.end() - taken; lost > s.end()/50 {
		t.Errorf("lost %d of %d bytes, want at most 2 percent", lost, s.end())
	}
}

func TestQCOW2Options(t *testing.T) {
	src := Plain(bytes.NewReader(make([]byte, 512)), 512)
	for want, opts := range map[string]QCOW2Options{
		"cluster size 2048: must be a power of two from 4096 to 2097152":    {ClusterSize: 2048},
		"cluster size 4194304: must be a power of two from 4096 to 2097152": {ClusterSize: 4 * mib},
		"cluster size 65537: must be a power of two from 4096 to 2097152":   {ClusterSize: 65537},
		"cluster size -1: must be a power of two from 4096 to 2097152":      {ClusterSize: -1},
		"compression 3: must be Zstd, Zlib or Uncompressed":                 {Compression: 3},
	} {
		_, err := WriteQCOW2(t.Context(), &device{left: 1 << 30}, src, opts)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestDeflateWindow checks that no stream refers farther back than QEMU's
// window: what repeats after it does not compress.
func TestDeflateWindow(t *testing.T) {
	far := bytes.Repeat(noise(1, zlibWindow+8), 8)
	near := bytes.Repeat(noise(1, zlibWindow-512), 8)
	compress := deflateCompressor()
	for _, c := range []struct {
		data   []byte
		packed bool
	}{{far, false}, {near, true}} {
		got, err := compress(nil, c.data)
		if err != nil || (len(got) < len(c.data)/2) != c.packed {
			t.Errorf("%d bytes became %d (%v), want packed %v", len(c.data), len(got), err, c.packed)
		}
	}
}
