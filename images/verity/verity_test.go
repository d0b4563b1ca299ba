package verity

import (
	"bytes"
	"context"
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

var (
	testSalt = []byte("0123456789abcdef0123456789abcdef")
	testUUID = [16]byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
)

const testUUIDText = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

// blocks is data of n blocks, all different, with some of zeros.
func blocks(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, n*BlockSize)
	for i := 0; i < len(b); i += 8 {
		if i/BlockSize%5 != 3 {
			b[i], b[i+3] = byte(r.Uint32()), byte(r.Uint32())
		}
	}
	return b
}

// TestVeritysetup compares trees to those of the real program, with numbers of
// blocks around those where a level or a block of hashes begins.
func TestVeritysetup(t *testing.T) {
	program := need.Tool(t, "veritysetup")
	for _, salt := range [][]byte{testSalt, nil, bytes.Repeat([]byte{0xff}, MaxSalt)} {
		for _, n := range []int{1, 2, 3, perBlock - 1, perBlock, perBlock + 1, 255, 256, 257, perBlock * perBlock, perBlock*perBlock + 1} {
			if n > 1000 && len(salt) != len(testSalt) {
				continue // large data with one salt is enough
			}
			t.Run(fmt.Sprintf("%d blocks, salt %d", n, len(salt)), func(t *testing.T) {
				compare(t, program, blocks(n), salt)
			})
		}
	}
}

func compare(t *testing.T, program string, data, salt []byte) {
	dir := t.TempDir()
	dataPath, theirs, ours := filepath.Join(dir, "data"), filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
	if err := os.WriteFile(dataPath, data, 0o600); err != nil {
		t.Fatal(err)
	}
	saltText := hex.EncodeToString(salt)
	if saltText == "" {
		saltText = "-"
	}
	out := run(t, program, "format", dataPath, theirs, "--salt="+saltText, "--uuid="+testUUIDText)
	var got bytes.Buffer
	root, err := Write(t.Context(), &got, bytes.NewReader(data), int64(len(data)), Options{salt, testUUID})
	if err != nil {
		t.Fatal(err)
	}
	rootText := hex.EncodeToString(root[:])
	if !strings.Contains(out, rootText) {
		t.Errorf("got root hash %s, veritysetup says:\n%s", rootText, out)
	}
	want, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got %d bytes that differ from veritysetup's %d", got.Len(), len(want))
	}
	if size := Size(int64(len(data))); size != int64(got.Len()) {
		t.Errorf("Size says %d bytes, the tree has %d", size, got.Len())
	}
	if err := os.WriteFile(ours, got.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, program, "verify", dataPath, ours, rootText)
	data[len(data)-1] ^= 1
	if err := os.WriteFile(dataPath, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "verify", dataPath, ours, rootText).CombinedOutput(); err == nil {
		t.Errorf("veritysetup takes changed data for good: %s", out)
	}
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// TestGolden holds where veritysetup is not there.
func TestGolden(t *testing.T) {
	const want = "27ecf0c85d73397de026e7458f41900307db31fbe51c7388b14e65e53c3161d4"
	for _, n := range []int{1, 2, 5} {
		old := runtime.GOMAXPROCS(n)
		root, err := Write(t.Context(), io.Discard, bytes.NewReader(blocks(1000)), 1000*BlockSize, Options{testSalt, testUUID})
		runtime.GOMAXPROCS(old)
		if got := hex.EncodeToString(root[:]); err != nil || got != want {
			t.Errorf("%d processors: got %s (%v), want %s", n, got, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	bad := errors.New("bad")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(bad)
	data := blocks(300)
	for name, c := range map[string]struct {
		ctx  context.Context
		w    io.Writer
		data io.ReaderAt
		size int64
		salt []byte
		want string
	}{
		"no data":     {size: 0, want: "data of 0 bytes: must be a positive multiple of 4096"},
		"half block":  {size: 6144, want: "data of 6144 bytes: must be a positive multiple of 4096"},
		"negative":    {size: -4096, want: "data of -4096 bytes: must be"},
		"salt":        {size: 4096, salt: make([]byte, 257), want: "salt of 257 bytes: at most 256"},
		"short data":  {size: 301 * BlockSize, want: "reading the data at 1048576: unexpected EOF"},
		"read error":  {size: 300 * BlockSize, data: failing{bad}, want: "reading the data at 0: bad"},
		"write error": {size: 300 * BlockSize, w: failing{bad}, want: "writing a hash tree: bad"},
		"short write": {size: 300 * BlockSize, w: failing{nil}, want: "writing a hash tree: short write"},
		"cancelled":   {size: 300 * BlockSize, ctx: cancelled, want: "writing a hash tree: bad"},
	} {
		if c.ctx == nil {
			c.ctx = t.Context()
		}
		if c.w == nil {
			c.w = io.Discard
		}
		if c.data == nil {
			c.data = bytes.NewReader(data)
		}
		_, err := Write(c.ctx, c.w, c.data, c.size, Options{Salt: c.salt})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// failing fails with its error.
type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
func (f failing) Write(p []byte) (int, error)       { return len(p) - 1, f.err }
