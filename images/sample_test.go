package images

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// piece is a range of a sample disk that has data.
type piece struct {
	offset, length int64
	fill           func(seed uint64, n int64) []byte
}

// words is data that compresses to about a third.
func words(seed uint64, n int64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+16)
	for int64(len(b)) < n {
		b = fmt.Appendf(b, "%x-%s ", r.IntN(4096), "kubelet containerd etcd tinc haproxy"[:8+r.IntN(28)])
	}
	return b[:n]
}

// noise is data that does not compress.
func noise(seed uint64, n int64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// nothing is data all the same: written zeros, not a hole.
func nothing(_ uint64, n int64) []byte { return make([]byte, n) }

// sample is a disk to write.
type sample struct {
	size   int64
	pieces []piece
}

// samples are disks whose data begins and ends at all kinds of places.
func samples() map[string]sample {
	return map[string]sample{
		"sector":   {512, []piece{{0, 512, words}}},
		"hole":     {4 * mib, nil},
		"zeros":    {4 * mib, []piece{{0, 4 * mib, nothing}}},
		"words":    {4 * mib, []piece{{0, 4 * mib, words}}},
		"noise":    {4 * mib, []piece{{0, 4 * mib, noise}}},
		"odd end":  {3*mib + 64*kib + 3*512, []piece{{mib - 512, 1024, words}, {3 * mib, 64*kib + 3*512, words}}},
		"odd hole": {3*mib + 64*kib + 3*512, []piece{{5, 1, noise}, {2 * mib, 100, words}}},
		"borders": {34 * mib, []piece{
			{0, 512, noise}, {64*kib - 1, 2, noise}, {128 * kib, 64 * kib, nothing}, {mib - 1, 2, words},
			{2*mib + 4096, 4096, words}, {5 * mib, 2*mib + 1, noise}, {8 * mib, 2 * mib, words},
			{32*mib - 1, 1, noise}, {32 * mib, 1, words}, {34*mib - 512, 512, words},
		}},
		"both": {16 * mib, []piece{{mib, 2 * mib, noise}, {3 * mib, 65 * kib, words}, {4 * mib, 300 * kib, noise}, {5 * mib, 2 * mib, words}}},
	}
}

// file makes the sample a sparse file.
func (s sample) file(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(s.size); err != nil {
		t.Fatal(err)
	}
	for i, p := range s.pieces {
		if _, err := f.WriteAt(p.fill(uint64(i), p.length), p.offset); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// source makes the sample a source from a file, and says where that is.
func (s sample) source(t testing.TB) (src Source, path string) {
	t.Helper()
	f := s.file(t)
	file, err := NewFile(f)
	if err != nil {
		t.Fatal(err)
	}
	return file, f.Name()
}

// eachSample runs a test with each sample.
func eachSample(t *testing.T, test func(t *testing.T, src Source, path string)) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			src, path := s.source(t)
			test(t, src, path)
		})
	}
}

// written is an image file.
type written struct {
	path  string
	stats Stats
}

// write makes an image in a temporary folder.
func write(t testing.TB, f format, src Source) written {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	stats, err := f.write(t.Context(), out, src)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := out.Stat(); err != nil || info.Size() != stats.FileSize {
		t.Errorf("the image has %d bytes (%v), stats say %d", info.Size(), err, stats.FileSize)
	}
	return written{out.Name(), stats}
}

func (w written) sum(t testing.TB) string {
	t.Helper()
	f, err := os.Open(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// tool runs a real program and returns what it prints.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), need.Tool(t, name), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// mustCompare has QEMU compare an image to a raw disk: content and size.
func mustCompare(t testing.TB, format, image, disk string) {
	t.Helper()
	const want = "Images are identical.\n" // and no warning before it
	if got := tool(t, "qemu-img", "compare", "-f", format, "-F", "raw", image, disk); got != want {
		t.Errorf("qemu-img compare: %s", got)
	}
}

// mustEqual compares files.
func mustEqual(t testing.TB, got, want string) {
	t.Helper()
	a, errA := os.ReadFile(got)
	b, errB := os.ReadFile(want)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s (%d bytes) differs from %s (%d bytes)", got, len(a), want, len(b))
	}
}

// withProcessors runs a test with as many processors.
func withProcessors(n int, test func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	test()
}
