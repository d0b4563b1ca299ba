package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/sbom"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/builder/workshop"
)

// What a changed base has beyond the lock is kept with the bill of materials.
func TestUnlocked(t *testing.T) {
	const status = "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 2\n"
	var base bytes.Buffer
	w := tar.NewWriter(&base)
	if err := w.WriteHeader(&tar.Header{Name: "./var/lib/dpkg/status", Size: int64(len(status)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(status)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := &bake{Config: Config{Lock: &lock.Lock{Debian: lock.Debian{Packages: []lock.Package{{Name: "a", Version: "1", Architecture: "all"}}}}}}
	cache, err := fetch.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store, err := step.Open(cache)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }() // it only unlocks
	bill := func(name string) *step.Result {
		made, err := store.Do(t.Context(), step.Step{Name: name}, func(_ context.Context, dir string) error {
			write(t, filepath.Join(dir, billFile), "{}")
			_, err := b.installed(bytes.NewReader(base.Bytes()), dir)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	if u, err := unlocked(bill("of the base")); err != nil || u != nil || u.Lines() != nil || u.version("a") != "" {
		t.Errorf("what nobody changed is %+v: %v", u, err)
	}
	b.Changes = &workshop.Changes{Sum: "0", Written: []string{"/etc/a", "/etc/b"}, Removed: []string{"/etc/c"}}
	made := bill("of the changed base")
	got, err := unlocked(made)
	want := &Unlocked{
		Written: 2, Removed: 1, More: []sbom.Package{{Name: "a", Version: "2", Architecture: "all"}}, Gone: []sbom.Package{{Name: "a", Version: "1", Architecture: "all"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if v := got.version("z", "a"); v != "2" {
		t.Errorf("the version in the image is %q", v)
	}
	const lines = "not locked: a layer over the base, 2 paths written, 1 removed\nnot locked: package a 2\nlocked, and not in the image: package a 1"
	if said := strings.Join(got.Lines(), "\n"); said != lines {
		t.Errorf("it is told as\n%s", said)
	}
	if err := os.Chmod(made.Path(unlockedFile), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, made.Path(unlockedFile), "{")
	if _, err := unlocked(made); err == nil {
		t.Error("half a file was taken")
	}
}
