package ignition_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
)

func write(t *testing.T, dir string, outs []ignition.OutFile) bool {
	t.Helper()
	changed, err := ignition.WriteNode(dir, outs)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func listing(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteNode(t *testing.T) {
	id := shipped(t, "prod").identity(t, "worker9")
	outs, err := ignition.Outputs(id)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "worker9")
	if !write(t, dir, outs) {
		t.Error("the first run says that it changed nothing")
	}
	old := time.Now().Add(-time.Hour)
	for _, f := range outs {
		path := filepath.Join(dir, f.Name)
		data, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(data, f.Data) {
			t.Errorf("%s: not as it should be (%v)", f.Name, err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != f.Mode {
			t.Errorf("%s has mode %v, want %v (%v)", f.Name, info.Mode(), f.Mode, err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, want 0700 (%v)", info.Mode(), err)
	}

	if write(t, dir, outs) {
		t.Error("the second run says that it changed something")
	}
	for _, f := range outs {
		if info, err := os.Stat(filepath.Join(dir, f.Name)); err != nil || info.ModTime().Unix() != old.Unix() {
			t.Errorf("%s was touched (%v)", f.Name, err)
		}
	}

	// One file, one folder and a mode were changed by others; kubeconfig is not ours.
	for _, name := range []string{"kubeconfig", "user_data"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, "config.iso"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if !write(t, dir, outs) {
		t.Error("the third run says that it changed nothing")
	}
	for name, want := range map[string]fs.FileMode{".": 0o700, "config.iso": 0o600, "user_data": 0o600, "kubeconfig": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v (%v)", name, info.Mode().Perm(), want, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "identity.bundle")); err != nil || info.ModTime().Unix() != old.Unix() {
		t.Errorf("a file that was right was touched (%v)", err)
	}
}

// What is not made any more goes; what is not ours stays.
func TestWriteNodeRemoves(t *testing.T) {
	id := shipped(t, "prod").identity(t, "worker9")
	dir := filepath.Join(t.TempDir(), "worker9")
	var outs []ignition.OutFile
	for _, id := range []*ignition.Identity{id, cloudInit(id)} {
		var err error
		if outs, err = ignition.Outputs(id); err != nil {
			t.Fatal(err)
		}
		write(t, dir, outs)
		if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"cidata.iso", "config.iso", "guestinfo.json", "meta_data.json", "notes", "user_data"}
	if got := listing(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if write(t, dir, outs) {
		t.Error("the next run says that it changed something")
	}
}

func TestWriteNodeRefuses(t *testing.T) {
	outs := []ignition.OutFile{{Name: "user_data", Data: []byte("new"), Mode: 0o600}}
	elsewhere := filepath.Join(t.TempDir(), "victim")
	for name, tc := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"link to a folder": {func(dir string) error {
			return errors.Join(os.Mkdir(elsewhere, 0o755), os.Symlink(elsewhere, dir))
		}, "symbolic link"},
		"file for a folder": {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "not a folder"},
		"link for a file": {func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(elsewhere, []byte("old"), 0o600), os.Symlink(elsewhere, filepath.Join(dir, "user_data")))
		}, "symbolic link"},
		"folder for a file": {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "user_data"), 0o700) }, "folder"},
		"no folder above":   {func(dir string) error { return os.Remove(filepath.Dir(dir)) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere = filepath.Join(t.TempDir(), "victim")
			dir := filepath.Join(t.TempDir(), "above", "node")
			if err := os.Mkdir(filepath.Dir(dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := tc.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := ignition.WriteNode(dir, outs)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "node") {
				t.Errorf("got %v, want an error about %q that names the file", err, tc.want)
			}
			if data, err := os.ReadFile(elsewhere); err == nil && string(data) != "old" {
				t.Error("a file elsewhere was written")
			}
		})
	}
	if _, err := ignition.WriteNode(t.TempDir(), []ignition.OutFile{{Name: "../x"}}); err == nil {
		t.Error("a name with a folder is taken")
	}
}

// A full disk and a read-only folder leave what was there.
func TestWriteNodeFaults(t *testing.T) {
	outs := []ignition.OutFile{{Name: "user_data", Data: bytes.Repeat([]byte("n"), 1<<20), Mode: 0o600}}
	for name, place := range map[string]func(t *testing.T) string{
		"full":      func(t *testing.T) string { return need.SmallDisk(t, 64<<10) },
		"read-only": func(t *testing.T) string { return t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(place(t), "node")
			write(t, dir, []ignition.OutFile{{Name: "user_data", Data: []byte("old"), Mode: 0o600}})
			if name == "read-only" {
				need.Root(t) // the owner of a folder may make it writable, and WriteNode does
				need.ReadOnly(t, dir)
			}
			_, err := ignition.WriteNode(dir, outs)
			if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "user_data")) {
				t.Errorf("got %v, want an error that names the file", err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "user_data")); err != nil || string(data) != "old" {
				t.Errorf("the old file is not as it was (%v)", err)
			}
			if got := listing(t, dir); len(got) != 1 {
				t.Errorf("left behind: %q", got)
			}
		})
	}
}
