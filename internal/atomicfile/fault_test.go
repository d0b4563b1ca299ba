package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// irregular makes one of each kind of file that is not a regular one, and
// says what an error calls it.
var irregular = map[string]func(t *testing.T, path string){
	"a symbolic link": func(t *testing.T, path string) {
		victim := filepath.Join(t.TempDir(), "victim")
		if err := errors.Join(os.WriteFile(victim, []byte("old"), 0o644), os.Symlink(victim, path)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { wantFile(t, victim, "old", 0o644) })
	},
	"a folder": func(t *testing.T, path string) {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	},
	"a named pipe": func(t *testing.T, path string) {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	},
}

func TestIrregularTarget(t *testing.T) {
	for kind, place := range irregular {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "target")
			place(t, path)
			wantError(t, Write(path, []byte("new"), 0o600), path, kind)
			_, err := Create(path, 0o600)
			wantError(t, err, path, kind)
			_, err = ReadFile(path, 100)
			wantError(t, err, path, kind)
			wantNames(t, dir, "target")
		})
	}
}

func TestSocketTarget(t *testing.T) {
	t.Chdir(t.TempDir()) // names of sockets are short
	l, err := net.Listen("unix", "target")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	wantError(t, Write("target", []byte("new"), 0o600), "target", "a socket")
	if _, err := ReadFile("target", 100); err == nil || !strings.Contains(err.Error(), `"target"`) {
		t.Errorf("reading a socket: %v, want an error that names it", err)
	}
}

func TestDanglingLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "target")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), path); err != nil {
		t.Fatal(err)
	}
	wantError(t, Write(path, []byte("new"), 0o600), path, "a symbolic link")
	wantNames(t, dir, "target")
}

// TestLinkPlacedMeanwhile swaps the target for a link between Create and
// Commit.
func TestLinkPlacedMeanwhile(t *testing.T) {
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "target")
			f, err := create(path, 0o600, true, open)
			if err != nil {
				t.Fatal(err)
			}
			irregular["a symbolic link"](t, path)
			wantError(t, f.Commit(), path, "a symbolic link")
			wantNames(t, dir, "target")
		})
	}
}

func TestNotAFileName(t *testing.T) {
	for _, path := range []string{"", ".", "..", "/", "a/..", "/tmp/."} {
		wantError(t, Write(path, nil, 0o600), path, "not the name of a file")
	}
}

func TestMissingFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "file")
	err := Write(path, nil, 0o600)
	wantError(t, err, path, "no such file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	need.ReadOnly(t, dir)
	err := Write(path, []byte("new"), 0o600)
	if !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want a read-only file system or no permission", err)
	}
	wantError(t, err, path, "creating")
	wantFile(t, path, "old", 0o644)
	wantNames(t, dir, "file")
}

func TestFullDisk(t *testing.T) {
	const size = 256 << 10
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			dir := need.SmallDisk(t, size)
			path := filepath.Join(dir, "file")
			if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := create(path, 0o600, true, open)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Write(bytes.Repeat([]byte("n"), 2*size))
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("got %v, want a full disk", err)
			}
			wantError(t, err, path, "writing")
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, "old", 0o644)
			wantNames(t, dir, "file")

			// The space is free again.
			if err := Write(path, bytes.Repeat([]byte("n"), size/2), 0o600); err != nil {
				t.Errorf("writing after the failure: %v", err)
			}
		})
	}
}

func TestFullDiskWrite(t *testing.T) {
	dir := need.SmallDisk(t, 64<<10)
	path := filepath.Join(dir, "file")
	err := Write(path, make([]byte, 1<<20), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want a full disk", err)
	}
	wantNames(t, dir)
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path, 5)
	if err != nil || string(got) != "12345" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = ReadFile(path, 4)
	wantError(t, err, path, "5 bytes, at most 4 are allowed")

	missing := filepath.Join(dir, "missing")
	_, err = ReadFile(missing, 5)
	wantError(t, err, missing, "no such file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	// A file of /proc says that its size is 0.
	_, err = ReadFile("/proc/self/status", 10)
	wantError(t, err, "/proc/self/status", "more than the 10 bytes")
	_, err = ReadFile("/dev/zero", 10)
	wantError(t, err, "/dev/zero", "a device")
}

// wantError checks that an error names the file, says what is wrong, and does
// not speak of temporary names.
func wantError(t *testing.T, err error, path, what string) {
	t.Helper()
	if err == nil {
		t.Errorf("%q: no error, want one about %q", path, what)
		return
	}
	for _, part := range []string{`"` + path + `"`, what} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), ".tmp") {
		t.Errorf("error %q names the temporary file", err)
	}
}
