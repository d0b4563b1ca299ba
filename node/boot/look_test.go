package boot

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// made is a file that a program makes something of.
func made(t *testing.T, size int64, argv ...string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if len(argv) > 0 {
		cmd := exec.Command(need.Tool(t, argv[0]), append(argv[1:], path)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", argv, err, out)
		}
	}
	return f
}

// TestLook looks at what real programs leave on a disk: none of it is empty.
func TestLook(t *testing.T) {
	const size = 64 << 20
	if c := look(made(t, size), size, 512); !c.Empty() {
		t.Errorf("an empty disk holds %s", &c)
	}
	for name, argv := range map[string][]string{
		"ext4":      {"mkfs.ext4", "-q", "-F"},
		"gpt":       {"sgdisk", "--new=1:2048:4095"},
		"old table": {"sgdisk", "--new=1:2048:4095", "--zap"},
	} {
		t.Run(name, func(t *testing.T) {
			if c := look(made(t, size, argv...), size, 512); name != "old table" && c.Empty() {
				t.Error("it is empty")
			} else if c.Table != nil != (name == "gpt") {
				t.Errorf("its table is %v", c.Table)
			}
		})
	}
	// One byte, anywhere that is looked at.
	spans := spots(size)
	if len(spans) != lookSpots+2 {
		t.Errorf("%d spots", len(spans))
	}
	data := make([]byte, size)
	for i := 0; i < len(spans); i += 5 {
		for _, at := range []int64{spans[i][0], spans[i][0] + spans[i][1] - 1} {
			data[at] = 1
			if c := look(bytes.NewReader(data), size, 512); c.Empty() || c.NonZero != at {
				t.Errorf("a byte at %d: %+v", at, c)
			}
			data[at] = 0
		}
	}
}

// TestSpots: they are on the disk, whatever its size, and all of a small disk.
func TestSpots(t *testing.T) {
	for _, size := range []int64{512, 4 << 20, 8 << 20, 8<<20 + 512, 9 << 20, 1 << 30, 20e12} {
		sum := int64(0)
		for _, s := range spots(size) {
			if s[0] < 0 || s[1] <= 0 || s[0]+s[1] > size {
				t.Errorf("disk of %d bytes: %v", size, s)
			}
			sum += s[1]
		}
		if size <= 8<<20 && sum != size {
			t.Errorf("disk of %d bytes: %d are looked at", size, sum)
		}
	}
}

// unreadable is a disk with a sector that cannot be read.
type unreadable struct {
	*bytes.Reader
	bad int64
}

var errMedium = errors.New("input/output error")

func (u unreadable) ReadAt(p []byte, off int64) (int, error) {
	if off <= u.bad && off+int64(len(p)) > u.bad {
		return int(u.bad - off), errMedium
	}
	return u.Reader.ReadAt(p, off)
}

func TestLookUnreadable(t *testing.T) {
	data := make([]byte, 16<<20)
	for _, bad := range []int64{0, 1 << 20, 16<<20 - 512} {
		c := look(unreadable{bytes.NewReader(data), bad}, int64(len(data)), 512)
		if c.Empty() || !strings.Contains(c.String(), "cannot be read") || !strings.Contains(c.String(), errMedium.Error()) {
			t.Errorf("unreadable at %d: %s", bad, &c)
		}
	}
	// A disk that ends before its size does.
	if c := look(bytes.NewReader(data[:1<<20]), 16<<20, 512); c.Empty() || !strings.Contains(c.String(), "at offset 1048576: unexpected EOF") {
		t.Errorf("a short disk: %s", &c)
	}
}

// TestMark: the mark is seen, and only the mark.
func TestMark(t *testing.T) {
	data := make([]byte, 8<<20)
	copy(data[markAt:], markText)
	if c := look(bytes.NewReader(data), int64(len(data)), 512); !c.Unfinished || c.Empty() || c.String() != "an unfinished installation" {
		t.Errorf("got %+v", c)
	}
	data[markAt+3] ^= 0x20
	if c := look(bytes.NewReader(data), int64(len(data)), 512); c.Unfinished || c.Empty() {
		t.Errorf("got %+v", c)
	}
	if mark, err := readMark(bytes.NewReader(data[:100])); strings.Trim(mark, "\x00") != "" || err != nil {
		t.Errorf("a tiny disk: %q, %v", mark, err)
	}
}
