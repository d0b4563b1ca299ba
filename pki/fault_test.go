package pki

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
)

// holderFiles are the files of the store of the small cluster.
var holderFiles = []string{
	"authorities/kubernetes", "authorities/etcd", "authorities/front-proxy",
	"service-account", "encryption", "nodes/m0", "nodes/w0",
}

// refused makes sure that a damaged store is refused by a run that has
// something to do, by an error that names the file, and is left as it is.
func refused(t *testing.T, f *fixture, file, want string) {
	t.Helper()
	before := snapshot(t, f.c.Dir)
	_, err := f.Ensure(context.Background(), EnsureOptions{})
	if err == nil {
		_, err = f.Material("m0")
	}
	if err == nil {
		_, err = f.Material("w0")
	}
	switch {
	case err == nil:
		t.Errorf("%s: no error", file)
	case !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want):
		t.Errorf("the error does not name %s and %q: %v", file, want, err)
	case strings.Contains(err.Error(), "PRIVATE KEY-----") || len(err.Error()) > 600:
		t.Errorf("the error is too talkative: %v", err)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Errorf("%s: a refused store was changed", file)
	}
}

func TestDamagedFiles(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	for _, holder := range holderFiles {
		path := f.path(holder)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damage := map[string][]byte{
			"empty":     {},
			"garbage":   []byte("garbage\n"),
			"longer":    append(whole[:len(whole):len(whole)], '\n'),
			"zeros":     make([]byte, len(whole)),
			"too large": make([]byte, maxHolder+1),
		}
		for i := 1; i < 12; i++ {
			at := len(whole) * i / 12
			damage[fmt.Sprintf("cut at %d", at)] = whole[:at]
			flipped := []byte(string(whole))
			flipped[at] ^= 1
			damage[fmt.Sprintf("flipped at %d", at)] = flipped
		}
		for what, data := range damage {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run(holder+" "+what, func(t *testing.T) { refused(t, f, path, "") })
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("the whole store again: %q", got)
	}
}

// Damage that a right sum hides is found too: each part is held against the others.
func TestInconsistentFiles(t *testing.T) {
	f, other := newFixture(t, small), newFixture(t, strings.ReplaceAll(small, "small", "other"))
	other.config = f.config
	f.ensure()
	other.reopen(other.c.Dir, other.text, now)
	other.ensure()
	read := func(s *fixture, holder string) (*holderFile, secrets) {
		h, err := s.read(holder)
		if err != nil {
			t.Fatal(err)
		}
		sec, err := s.open(h)
		if err != nil {
			t.Fatal(err)
		}
		return h, sec
	}
	tests := []struct {
		name, holder, want string
		change             func(h, foreign *holderFile, sec, foreignSec secrets)
	}{
		{"authority of another cluster", "authorities/etcd", `it is of the authority "other etcd authority"`,
			func(h, foreign *holderFile, _, _ secrets) { h.clear = foreign.clear }},
		{"certificate of another cluster", "nodes/m0", `foreign certificate etcd-server: issued by "CN=other etcd authority"`,
			func(h, foreign *holderFile, _, _ secrets) { h.clear[0] = foreign.clear[0] }},
		{"key of another certificate", "nodes/m0", "the private key of etcd-server is not that of its certificate",
			func(_, _ *holderFile, sec, _ secrets) { sec[0].block = sec[1].block }},
		{"mesh key of another", "nodes/w0", "the mesh key is missing, damaged or not one pair",
			func(_, _ *holderFile, sec, foreign secrets) { sec[5] = foreign[5] }},
		{"no mesh key", "nodes/w0", "no mesh key in it",
			func(h, _ *holderFile, _, _ secrets) { h.clear = h.clear[:5] }},
		{"key missing", "nodes/w0", "no private key of kubelet-client in it",
			func(_, _ *holderFile, sec, _ secrets) { sec[0].name = "other" }},
		{"certificate stands twice", "nodes/w0", `"proxy" stands twice`,
			func(h, _ *holderFile, _, _ secrets) { h.clear[1] = h.clear[2] }},
		{"not a certificate", "nodes/w0", "certificate proxy: damaged",
			func(h, _ *holderFile, _, _ secrets) { h.clear[2].block.Bytes = []byte("not one") }},
		{"service account keys of two pairs", "service-account", "the keys are not one pair",
			func(h, foreign *holderFile, _, _ secrets) { h.clear = foreign.clear }},
		{"encryption key too short", "encryption", "no key of 32 bytes in it",
			func(_, _ *holderFile, sec, _ secrets) { sec[0].block.Bytes = sec[0].block.Bytes[:16] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := f.path(test.holder)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			h, sec := read(f, test.holder)
			foreign, foreignSec := read(other, test.holder)
			test.change(h, foreign, sec, foreignSec)
			readers, err := f.storeReaders()
			if err != nil {
				t.Fatal(err)
			}
			if err := (&run{s: f.Store, readers: readers}).save(test.holder, h.clear, sec); err != nil {
				t.Fatal(err)
			}
			refused(t, f, path, test.want)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("file of another cluster", func(t *testing.T) {
		data, err := os.ReadFile(other.path("nodes/m0"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path("nodes/m0"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, f, f.path("nodes/m0"), `it belongs to "other nodes/m0", not to "small nodes/m0"`)
	})
}

func (s *Store) storeReaders() (*readers, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, recipientsFile))
	if err != nil {
		return nil, err
	}
	return newReaders(recipientLines(string(data)))
}

// What nodes depend on is not made anew when it is lost.
func TestLostFiles(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	for _, holder := range holderFiles[:5] {
		path := f.path(holder)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		refused(t, f, path, "restore it from a copy")
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNotRegularFiles(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	others := append([]string{"recipients.txt", ".lock"}, holderFiles...)
	for _, name := range others {
		path := filepath.Join(f.dir, name)
		if !strings.Contains(filepath.Base(name), ".") {
			path = f.path(name)
		}
		for kind, make := range map[string]func() error{
			"symbolic link": func() error { return os.Symlink(path+".away", path) },
			"folder":        func() error { return os.Mkdir(path, 0o700) },
			"named pipe":    func() error { return syscall.Mkfifo(path, 0o600) },
		} {
			if name == ".lock" && kind != "symbolic link" {
				continue // neither holds anything, and both can be locked
			}
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			if err := make(); err != nil {
				t.Fatal(err)
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				_, err := f.Ensure(context.Background(), EnsureOptions{})
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), kind) {
					t.Errorf("got %v", err)
				}
			})
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".away", path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Rename(f.dir, f.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(f.dir+".away", f.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Ensure(context.Background(), EnsureOptions{}); err == nil || !strings.Contains(err.Error(), f.dir+" is not a folder") {
		t.Errorf("a store that is a link gives %v", err)
	}
}

// A disk that is full at any of a run's files gives an error, and a run with
// more room goes on from there.
func TestFullDisk(t *testing.T) {
	dir := need.SmallDisk(t, 4<<10)
	f := newFixture(t, small)
	f.reopen(dir, small, now)
	full := 0
	for size := 8; size <= 256; size += 4 {
		_, err := f.Ensure(context.Background(), EnsureOptions{})
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
			t.Errorf("a full disk gives: %v", err)
		}
		full++
		left, _ := filepath.Glob(filepath.Join(dir, "pki", "*", ".*.tmp"))
		if len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dk", size)); err != nil {
			t.Fatal(err)
		}
	}
	if full < 5 {
		t.Errorf("the disk was full %d times only", full)
	}
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("not finished: %q", got)
	}
	if _, err := f.Material("m0"); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	before := snapshot(t, f.c.Dir)
	need.ReadOnly(t, filepath.Join(f.dir, "nodes"))
	need.ReadOnly(t, f.dir)
	if got := f.ensure(); len(got) > 0 { // a complete store can be used
		t.Errorf("changes: %q", got)
	}
	if _, err := f.Material("m0"); err != nil {
		t.Error(err)
	}
	f.edit("192.0.2.10", "192.0.2.11")
	_, err := f.Ensure(context.Background(), EnsureOptions{})
	if err == nil || !strings.Contains(err.Error(), f.path("nodes/m0")) || !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a read-only folder gives: %v", err)
	}
	for name, content := range snapshot(t, f.c.Dir) {
		if name != "pki" && name != "pki/nodes" && before[name] != content { // the folders have another mode
			t.Errorf("%s has changed", name)
		}
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), path) {
		t.Errorf("a lock that is held gives %v", err)
	}
	got := make(chan error)
	go func() {
		unlock, err := lock(context.Background(), path)
		if err == nil {
			unlock()
		}
		got <- err
	}()
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
}
