package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ways are the two ways to hold a file that is not complete. The tests of
// everything that depends on them go over both.
var ways = map[string]func(dir, stem string) (temp, error){
	"system's": openTemp,
	"named":    openNamed,
}

var _ interface {
	io.WriteCloser
	io.WriterAt
	io.Seeker
} = (*File)(nil)

func TestWrite(t *testing.T) {
	old := syscall.Umask(0o077) // modes must not depend on it
	defer syscall.Umask(old)
	for name, write := range map[string]func(string, []byte, fs.FileMode) error{
		"Write": Write, "WriteNoSync": WriteNoSync,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			for _, step := range []struct {
				content string
				perm    fs.FileMode
			}{{"first", 0o644}, {"", 0o600}, {"third, longer", 0o755}} {
				if err := write(path, []byte(step.content), step.perm); err != nil {
					t.Fatal(err)
				}
				wantFile(t, path, step.content, step.perm)
			}
			wantNames(t, dir, "file")
		})
	}
}

func TestWriteBareName(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := Write("file", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFile(t, "file", "x", 0o600)
}

func TestWriteLongestName(t *testing.T) {
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			name := strings.Repeat("n", 255)
			f, err := create(filepath.Join(dir, name), 0o600, true, open)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Commit(); err != nil {
				t.Fatal(err)
			}
			wantNames(t, dir, name)
		})
	}
}

func TestCreate(t *testing.T) {
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "disk")
			f, err := create(path, 0o640, true, open)
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range []func() error{
				func() error { _, err := f.Write([]byte("head")); return err },
				func() error { _, err := f.WriteAt([]byte("tail"), 8); return err },
				func() error { _, err := f.Seek(-2, io.SeekCurrent); return err },
				func() error { _, err := f.Write([]byte("AD")); return err },
			} {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the target is there before Commit: %v", err)
			}
			info, err := f.temp.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != 0o600 {
				t.Errorf("mode %v before Commit, want 0600", info.Mode())
			}
			if err := f.Commit(); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, "heAD\x00\x00\x00\x00tail", 0o640)
			wantNames(t, dir, "disk")
			if err := f.Close(); err != nil {
				t.Errorf("Close after Commit: %v", err)
			}
			wantNames(t, dir, "disk")
		})
	}
}

func TestCloseDrops(t *testing.T) {
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := create(path, 0o600, true, open)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte("new")); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			wantFile(t, path, "old", 0o644)
			wantNames(t, dir, "file")

			_, writeErr := f.Write([]byte("x"))
			_, writeAtErr := f.WriteAt([]byte("x"), 0)
			_, seekErr := f.Seek(0, io.SeekStart)
			for what, err := range map[string]error{
				"Write": writeErr, "WriteAt": writeAtErr, "Seek": seekErr, "Commit": f.Commit(),
			} {
				if !errors.Is(err, fs.ErrClosed) {
					t.Errorf("%s after Close: %v, want fs.ErrClosed", what, err)
				}
			}
		})
	}
}

// TestConcurrentWriters has many writers of one target: it is always one
// writer's whole content, and nothing else stays in the folder.
func TestConcurrentWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	content := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 64<<10) }
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for range 10 {
				if err := WriteNoSync(path, content(i), 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || !bytes.Equal(got, content(int(got[0]-'a'))) {
		t.Errorf("%d bytes, not one writer's whole content", len(got))
	}
	wantNames(t, dir, "file")
}

func wantFile(t *testing.T, path, content string, perm fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != content {
		t.Errorf("content %q, want %q", got, content)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != perm {
		t.Errorf("mode %v, want %v", info.Mode(), perm)
	}
}

// wantNames checks that a folder holds exactly these names.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names in the folder (-want +got):\n%s", diff)
	}
}
