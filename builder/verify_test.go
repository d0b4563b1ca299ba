package builder

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/pki"
)

// compared is an image in a folder, made of what the configuration says.
func compared(t *testing.T) (Config, *Manifest, string) {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{
		Cluster: lab(t), Lock: testLock(), Public: &pki.Public{}, Program: []byte("node"), Environ: []string{"PATH=" + tools(t, "")},
	}
	inputs, err := newBake(cfg).inputs()
	if err != nil {
		t.Fatal(err)
	}
	m := full()
	m.Inputs, m.Files = *inputs, m.Files[:1]
	write(t, filepath.Join(dir, m.Files[0].Name), "raw")
	m.Files[0].SHA256, m.Files[0].Size = sum([]byte("raw")), 3
	return cfg, m, dir
}

// Other inputs are told before anything is baked: there is no store.
func TestCompareInputs(t *testing.T) {
	for name, c := range map[string]struct {
		change func(cfg *Config)
		want   Comparison
	}{
		"definition": {
			func(cfg *Config) { cfg.Cluster.Def.Domain = "x.example" }, Comparison{Inputs: []string{"the definition"}},
		},
		"lock": {
			func(cfg *Config) { cfg.Lock.Date = cfg.Lock.Date.Add(time.Hour) }, Comparison{Inputs: []string{"the lock"}},
		},
		"keys": {
			func(cfg *Config) { cfg.Public = &pki.Public{MeshKeys: map[string][]byte{"lab0": {1}}} },
			Comparison{Inputs: []string{"the public part of the PKI"}},
		},
		"program": {
			func(cfg *Config) { cfg.Program = nil }, Comparison{Inputs: []string{"the program ingot-node"}},
		},
		"tools": {
			func(cfg *Config) { cfg.Environ = []string{"PATH=" + tools(t, "2")} },
			Comparison{Inputs: []string{"the program mksquashfs of this machine", "the program mmdebstrap of this machine"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, m, dir := compared(t)
			c.change(&cfg)
			got, err := Compare(t.Context(), cfg, m, dir)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Unlocked = m.Unlocked // it is told, and is no difference
			if diff := cmp.Diff(&c.want, got); diff != "" || got.Same() {
				t.Errorf("same: %v (-want +got):\n%s", got.Same(), diff)
			}
		})
	}
}

// Who bakes, where and with which settings is no input.
func TestInputs(t *testing.T) {
	cfg, m, _ := compared(t)
	cfg.Version, cfg.Root, cfg.Offline = "v9", true, true
	cfg.Environ = append(cfg.Environ, "TZ=Asia/Tokyo", "LC_ALL=C")
	now, err := newBake(cfg).inputs()
	if err != nil {
		t.Fatal(err)
	}
	if others := m.Inputs.others(now); len(others) > 0 {
		t.Errorf("inputs that differ: %q", others)
	}
}

// Damage is told by each file's name.
func TestCheck(t *testing.T) {
	const name = "lab-0123456789ab.raw"
	for want, spoil := range map[string]func(path string){
		"":                   func(string) {},
		name + " is missing": func(path string) { _ = os.Remove(path) },
		name + " has another content than when it was baked": func(path string) { write(t, path, "Raw") },
		name + " has 1 bytes, and 3 when it was baked":       func(path string) { write(t, path, "R") },
		name + " is not a regular file":                      func(path string) { _ = os.Remove(path); _ = os.Mkdir(path, 0o755) },
	} {
		_, m, dir := compared(t)
		spoil(filepath.Join(dir, name))
		got, err := Check(t.Context(), m, dir)
		if err != nil {
			t.Fatal(err)
		}
		if got.Unlocked != m.Unlocked || strings.Join(got.Damaged, "; ") != want || got.Same() != (want == "") {
			t.Errorf("got %q, want %q", got.Damaged, want)
		}
	}
	_, m, dir := compared(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, m, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// The files in which two images differ are named, of both file systems.
func TestDifferences(t *testing.T) {
	list := func(change func(root, cluster *tree.Index)) string {
		root := &tree.Index{Format: 1, Nodes: []tree.Node{{Path: "/a", Kind: tree.KindFile, Mode: 0o644}, {Path: "/b", Kind: tree.KindFile, Mode: 0o644}}}
		over := &tree.Index{Format: 1, Nodes: []tree.Node{{Path: "/c", Kind: tree.KindFile, Mode: 0o644}}}
		change(root, over)
		data, err := json.Marshal(fileList{Root: root, Cluster: over})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, filesFile), string(data))
		return dir
	}
	was := list(func(*tree.Index, *tree.Index) {})
	is := list(func(root, over *tree.Index) {
		root.Nodes[0].Mode, root.Nodes = 0o600, root.Nodes[:1]
		over.Nodes[0].SHA256 = "other"
	})
	got, err := differences(was, is)
	if want := []string{"/a: mode 0600, was 0644", "/b: is missing", "/c: content"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if got, err := differences(was, was); err != nil || len(got) > 0 {
		t.Errorf("with itself: %q, %v", got, err)
	}
	if got, err := differences(t.TempDir(), is); err != nil || len(got) > 0 {
		t.Errorf("without a list: %q, %v", got, err)
	}
	write(t, filepath.Join(was, filesFile), "{")
	if _, err := differences(was, is); err == nil || !strings.Contains(err.Error(), "reading list of files") {
		t.Errorf("a list that is none: %v", err)
	}
}
