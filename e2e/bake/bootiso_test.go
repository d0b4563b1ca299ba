package bake_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/need"
)

// madeISO is what boot-iso with --json has said.
func (r *result) madeISO(t *testing.T) builder.BootISO {
	t.Helper()
	var made builder.BootISO
	if err := json.Unmarshal([]byte(r.stdout), &made); err != nil {
		t.Fatalf("%v:\n%s", err, r.stdout)
	}
	return made
}

// bootISO: the ISO has the image's own bytes, is the same wherever it is made,
// and has an identity only where one was asked for.
func bootISO(t *testing.T, w *world) {
	made := w.ingot(t, run{}, "boot-iso", "lab", "--json", "--offline").ok(t).madeISO(t)
	if want := filepath.Join(images(w.out, "lab"), "lab-"+w.manifest.ID+".iso"); made.Path != want || made.ID != w.manifest.ID {
		t.Errorf("wrote %s of image %s, want %s", made.Path, made.ID, want)
	}
	raw, _ := w.manifest.File(builder.Raw)
	if made.Disk.SHA256 != raw.SHA256 || made.Disk.Size != raw.Size {
		t.Errorf("it has the image %+v, want %s of %d bytes", made.Disk, raw.SHA256, raw.Size)
	}
	same(t, extract(t, made.Path, "DISK.IMG"), w.path(t, builder.Raw))

	umask(t)
	again := w.ingot(t, run{out: t.TempDir(), dir: t.TempDir(), environ: other}, "boot-iso", "lab", "--json", "--offline").ok(t).madeISO(t)
	again.Path = made.Path
	if diff := cmp.Diff(made, again); diff != "" {
		t.Errorf("the second ISO is another one (-first +second):\n%s", diff)
	}

	out := t.TempDir()
	node := w.ingot(t, run{out: out}, "boot-iso", "lab", "--node", "lab0", "--json", "--offline").ok(t).madeISO(t)
	folder := filepath.Join(out, "lab", "nodes", "lab0")
	if node.Path != filepath.Join(folder, "boot.iso") || node.SHA256 == made.SHA256 {
		t.Errorf("with an identity it is %+v", node)
	}
	info, err := os.Stat(node.Path)
	check(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("with an identity it has mode %v", info.Mode())
	}
	same(t, extract(t, node.Path, "CONFIG.ISO"), filepath.Join(folder, "config.iso"))
}

// extract takes a file out of a boot ISO.
func extract(t *testing.T, iso, name string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), name)
	out, err := exec.CommandContext(t.Context(), need.Tool(t, "xorriso"), "-osirrox", "on", "-indev", iso, "-extract", "/"+name, to).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso: %v\n%s", err, out)
	}
	return to
}

// same compares two files.
func same(t *testing.T, a, b string) {
	t.Helper()
	one, err := os.ReadFile(a)
	check(t, err)
	two, err := os.ReadFile(b)
	check(t, err)
	if !bytes.Equal(one, two) {
		t.Errorf("%s (%d bytes) and %s (%d bytes) differ", a, len(one), b, len(two))
	}
}
