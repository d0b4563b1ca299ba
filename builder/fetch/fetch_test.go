package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/apt"
	"github.com/ingot-k8s/ingot/builder/lock"
)

// mirror is a fixed set of files, by path, and counts what is asked of it.
type mirror struct {
	files map[string]string
	down  error // every download ends with it

	mu    sync.Mutex
	asked map[string]int
}

func (m *mirror) Download(_ context.Context, packages []apt.Package, dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked == nil {
		m.asked = map[string]int{}
	}
	var err error
	for _, p := range packages {
		m.asked[p.Name]++
		data, ok := m.files[p.File]
		switch {
		case m.down != nil:
			return m.down
		case !ok:
			err = fmt.Errorf("downloading: %w", apt.ErrGone)
		default:
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, p.SHA256), []byte(data), 0o600))
		}
	}
	return err
}

// stock makes n packages and the mirror that has them.
func stock(n int) ([]lock.Package, *mirror) {
	m := &mirror{files: map[string]string{}}
	var packages []lock.Package
	for i := range n {
		text := fmt.Sprintf("content of package %d", i)
		sum := sha256.Sum256([]byte(text))
		p := lock.Package{
			Name: fmt.Sprintf("p%02d", i), Version: "1", Architecture: "all", Archive: "main",
			SHA256: hex.EncodeToString(sum[:]), Size: int64(len(text)), File: fmt.Sprintf("pool/p%d.deb", i),
		}
		packages, m.files[p.File] = append(packages, p), text
	}
	return packages, m
}

func openCache(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := OpenCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func options(c *Cache, d Downloader) Options {
	return Options{Cache: c, Open: func(context.Context, string) (Downloader, error) { return d, nil }}
}

// content checks that the cache has exactly these packages and nothing of a run.
func content(t *testing.T, c *Cache, packages []lock.Package) {
	t.Helper()
	want := map[string]bool{}
	for _, p := range packages {
		want[p.SHA256] = true
		if err := c.verify(p.SHA256, p.Size); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if info, err := os.Stat(c.Path(p.SHA256)); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: mode of the file: %v %v", p.Name, info, err)
		}
	}
	blobs, err := os.ReadDir(c.blobs())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		if !want[b.Name()] {
			t.Errorf("the cache has %s, which nobody asked for", b.Name())
		}
	}
	if left, err := os.ReadDir(c.work()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestPackages(t *testing.T) {
	packages, m := stock(30)
	c := openCache(t, filepath.Join(t.TempDir(), "a", "cache"))
	o := options(c, m)
	var planned, last int64
	o.Plan = func(_ int, bytes int64) { planned = bytes }
	o.Done = func(p lock.Package, left int64) { last, planned = left, planned-p.Size }
	if err := Packages(t.Context(), packages, o); err != nil {
		t.Fatal(err)
	}
	content(t, c, packages)
	if planned != 0 || last != 0 {
		t.Errorf("progress ends with %d and %d bytes left", planned, last)
	}
	o.Offline = true
	if err := Packages(t.Context(), packages, o); err != nil {
		t.Errorf("offline from a full cache: %v", err)
	}
	for name, n := range m.asked {
		if n != 1 {
			t.Errorf("%s was fetched %d times", name, n)
		}
	}
}

func TestDamagedCache(t *testing.T) {
	packages, m := stock(5)
	damage := map[string]func(path string) error{
		"changed":   func(p string) error { return os.WriteFile(p, []byte("content of package X"), 0o644) },
		"cut short": func(p string) error { return os.Truncate(p, 3) },
		"a link":    func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) },
		"a folder":  func(p string) error { return errors.Join(os.Remove(p), os.MkdirAll(filepath.Join(p, "x"), 0o755)) },
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			c := openCache(t, t.TempDir())
			o := options(c, m)
			var warned []string
			o.Warn = func(s string) { warned = append(warned, s) }
			if err := Packages(t.Context(), packages, o); err != nil {
				t.Fatal(err)
			}
			if err := do(c.Path(packages[3].SHA256)); err != nil {
				t.Fatal(err)
			}
			if err := Packages(t.Context(), packages, o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"package p03 1 in the cache is damaged and is dropped"}, warned); diff != "" {
				t.Error(diff)
			}
			content(t, c, packages)
		})
	}
}

func TestRefusals(t *testing.T) {
	packages, m := stock(20)
	c := openCache(t, t.TempDir())
	o := options(c, m)
	o.Offline = true
	err := Packages(t.Context(), packages[:12], o)
	var offline *OfflineError
	if !errors.As(err, &offline) || !strings.Contains(err.Error(), "p09 1, and 2 more") || len(m.asked) != 0 {
		t.Errorf("offline: %v, asked %v", err, m.asked)
	}
	o.Offline = false

	m.files[packages[4].File] += "!"
	m.files[packages[5].File] = strings.ToUpper(m.files[packages[5].File])
	delete(m.files, packages[7].File)
	err = Packages(t.Context(), packages, o)
	var gone *GoneError
	var tampered *TamperedError
	if !errors.As(err, &gone) || !errors.As(err, &tampered) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]lock.Package{packages[7]}, gone.Packages); diff != "" {
		t.Errorf("gone: %s", diff)
	}
	if diff := cmp.Diff(packages[4:6], tampered.Packages); diff != "" {
		t.Errorf("tampered: %s", diff)
	}
	for _, way := range []string{"--update", "image.mirror"} {
		if !strings.Contains(gone.Hint(), way) {
			t.Errorf("the hint does not name %s", way)
		}
	}
	// What was good is kept: the next run asks only for the rest.
	m.asked = nil
	if err := Packages(t.Context(), packages, o); !errors.As(err, &gone) {
		t.Errorf("again: %v", err)
	}
	if len(m.asked) != 3 {
		t.Errorf("asked again for %v", m.asked)
	}

	m.down = errors.New("no route")
	if err := Packages(t.Context(), packages, o); !errors.Is(err, m.down) {
		t.Errorf("network down: %v", err)
	}
	o.Open = func(context.Context, string) (Downloader, error) { return nil, m.down }
	if err := Packages(t.Context(), packages, o); !errors.Is(err, m.down) {
		t.Errorf("no transport: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Packages(ctx, packages, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	packages[4].Size = 1 << 60
	if err := Packages(t.Context(), packages, o); err == nil || !strings.Contains(err.Error(), "MB are free") {
		t.Errorf("no room: %v", err)
	}
}

// TestTwoRuns lets runs share a cache; opening it must not take the folder of
// a run that is at work.
func TestTwoRuns(t *testing.T) {
	packages, m := stock(40)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			c, err := OpenCache(dir)
			if err == nil {
				err = Packages(context.Background(), packages, options(c, m))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	content(t, openCache(t, dir), packages)
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir)
	mine, release, err := c.workspace()
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(c.work(), "run-dead", "sub")
	if err := os.MkdirAll(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	openCache(t, dir)
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("the folder of a run at work was removed: %v", err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("the folder of a dead run is still there")
	}
	release()
	if _, err := os.Stat(mine); err == nil {
		t.Error("a run left its folder")
	}
}
