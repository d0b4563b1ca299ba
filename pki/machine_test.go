package pki

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

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
	unlock, err := lock(context.Background(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*lockPollMax)
	defer cancel()
	told := 0
	if _, err := lock(ctx, path, func() { told++ }); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), path) {
		t.Errorf("a lock that is held gives %v", err)
	}
	if told != 1 {
		t.Errorf("told %d times that it waits, want once", told)
	}
	got := make(chan error)
	go func() {
		unlock, err := lock(context.Background(), path, nil)
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
