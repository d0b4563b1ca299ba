package bake_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/need"
)

// start is the step that is cheap to make again.
const start = "kernel and initrd"

// same expects the image of the first bake.
func (w *world) same(t *testing.T, m *builder.Manifest) {
	t.Helper()
	for _, f := range m.Files {
		if was, ok := w.manifest.File(f.Format); f.Format != "" && (!ok || was != f) {
			t.Errorf("%s is not as in the first bake", f.Name)
		}
	}
}

// killed: at whatever moment a bake is killed, nothing half made is to be seen,
// and the next bake tidies up.
func killed(t *testing.T, w *world) {
	cache, out := w.cloneCache(t, start), t.TempDir()
	bake := []string{"images", "lab", "--only", "raw,qcow2", "--json", "--offline"}
	cut := func(after time.Duration) {
		t.Helper()
		r := w.ingot(t, run{cache: cache, out: out, during: func(p *os.Process) {
			time.Sleep(after)
			_ = p.Kill() // it may have ended
		}}, bake...)
		left := names(t, images(out, "lab"))
		if r.status == 0 || len(left) > 0 && left[len(left)-1] == "sbom.spdx.json" {
			t.Logf("it had ended before it was killed, after %s", after)
		} else if len(left) > 0 {
			t.Errorf("killed after %s, it left %q", after, left)
		}
		for _, name := range names(t, filepath.Join(cache, "tmp")) {
			if !strings.HasPrefix(name, "run-") {
				t.Errorf("the cache's folder for work has %q", name)
			}
		}
		check(t, os.RemoveAll(out))
	}
	whole := func() *result {
		t.Helper()
		r := w.ingot(t, run{cache: cache, out: out}, bake...).ok(t)
		w.same(t, r.manifest(t))
		if left := names(t, filepath.Join(cache, "tmp")); len(left) > 0 {
			t.Errorf("the cache's folder for work has %q after a whole bake", left)
		}
		check(t, os.RemoveAll(out))
		return r
	}
	for _, after := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second} {
		cut(after) // before and while a step is made
	}
	whole()
	took := whole().took // with all steps from the cache
	for _, part := range []time.Duration{3, 6, 9} {
		cut(took * part / 10) // while images are written
	}
	whole()
}

// interrupted: Ctrl-C ends a bake soon, and leaves nothing at all.
func interrupted(t *testing.T, w *world) {
	cache, out := w.cloneCache(t, start), t.TempDir()
	for _, after := range []time.Duration{time.Second, 4 * time.Second} {
		var at time.Time
		r := w.ingot(t, run{cache: cache, out: out, during: func(p *os.Process) {
			time.Sleep(after)
			at = time.Now()
			_ = p.Signal(syscall.SIGINT)
		}}, "images", "lab", "--only", allFormats, "--offline")
		if r.status == 0 {
			t.Logf("it had ended before it was interrupted, after %s", after)
			check(t, os.RemoveAll(out))
			continue
		}
		r.ended(t, 130, "error: interrupted")
		if took := time.Since(at); took > 20*time.Second {
			t.Errorf("it took %s to end", took)
		}
		if left := names(t, images(out, "lab")); len(left) > 0 {
			t.Errorf("interrupted after %s, it left %q", after, left)
		}
		if left := names(t, filepath.Join(cache, "tmp")); len(left) > 0 {
			t.Errorf("interrupted after %s, it left %q in the cache", after, left)
		}
	}
}

// replace gives a file of a cloned cache another content of the same size.
func replace(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	data := make([]byte, info.Size())
	_, _ = rand.Read(data)                    // never fails
	check(t, os.Remove(path))                 // the link, not the file of the user's cache
	check(t, os.WriteFile(path, data, 0o644)) // a file of its own
	check(t, os.Chtimes(path, time.Time{}, info.ModTime()))
}

// damagedCache: what is damaged is told, dropped and made again.
func damagedCache(t *testing.T, w *world) {
	cache := w.cloneCache(t)
	records, err := filepath.Glob(filepath.Join(cache, "steps", "*.json"))
	check(t, err)
	damaged := map[string]bool{}
	for _, path := range records {
		r := record(t, path)
		for _, f := range r.Files {
			if r.Step == start && f.Name == "initrd" && !damaged[f.SHA256] {
				damaged[f.SHA256] = true
				replace(t, filepath.Join(cache, "sha256", f.SHA256))
			}
		}
	}
	bake := []string{"images", "lab", "--only", "raw", "--json", "--offline"}
	r := w.ingot(t, run{cache: cache, out: t.TempDir()}, bake...).
		ended(t, 0, "warning: the cache is damaged and step "+start+" is done again: reading initrd: its content is not what its name says")
	w.same(t, r.manifest(t))
	r = w.ingot(t, run{cache: cache, out: t.TempDir()}, bake...).ok(t)
	w.same(t, r.manifest(t))
	if strings.Contains(r.stderr, "warning") {
		t.Errorf("the second time:\n%s", r.stderr)
	}
}

// offline: what is missing is named soon, and nothing is made.
func offline(t *testing.T, w *world) {
	out := t.TempDir()
	r := w.ingot(t, run{cache: filepath.Join(t.TempDir(), "ingot"), out: out}, "images", "lab", "--offline").
		ended(t, 1, "error: ", "not in the cache", "hint: run it once without --offline")
	t.Logf("after %.1f s: %s", r.took.Seconds(), lastLines(r.stderr, 2))
	if left := names(t, images(out, "lab")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if r.took > time.Minute {
		t.Errorf("it took %s to say so", r.took)
	}
}

// tampered: a locked package that is another in the cache is dropped, and
// fetched again where there is a network.
func tampered(t *testing.T, w *world) {
	l, err := lock.Load(filepath.Join(w.dir, "clusters", "lab"))
	check(t, err)
	if len(l.Debian.Boot) == 0 {
		t.Fatal("the lock has no boot loaders")
	}
	victim := l.Debian.Boot[0]
	cache, out := w.cloneCache(t, start), t.TempDir()
	replace(t, filepath.Join(cache, "sha256", victim.SHA256))
	said := fmt.Sprintf("warning: package %s %s in the cache is damaged and is dropped", victim.Name, victim.Version)
	r := w.ingot(t, run{cache: cache, out: out}, "images", "lab", "--only", "raw", "--offline").
		ended(t, 1, said, "error: ", "not in the cache", victim.Name+" "+victim.Version)
	t.Logf("%s", lastLines(r.stderr, 2))
	replaced := filepath.Join(cache, "sha256", victim.SHA256)
	check(t, os.WriteFile(replaced, []byte("another package"), 0o644))
	r = w.ingot(t, run{cache: cache, out: out}, "images", "lab", "--only", "raw", "--json").ended(t, 0, said)
	w.same(t, r.manifest(t))
	if sumOf(t, replaced) != victim.SHA256 {
		t.Error("what is in the cache now is not the package")
	}
}

// fromCache is how the step is told that is in the cache.
var fromCache = regexp.MustCompile(`(?m)^` + start + ` .*from the cache`)

// atOnce: two clusters are baked at once; what both need is made once. Two
// bakes of one cluster give one image.
func atOnce(t *testing.T, w *world) {
	cache, out := w.cloneCache(t, start), t.TempDir()
	twin := w.definition(t, "twin", func(text string) string { return strings.Replace(text, "name: lab\n", "name: twin\n", 1) })
	check(t, os.RemoveAll(filepath.Join(twin, "twin", "pki"))) // keys are of one cluster
	var second *result
	first := w.ingot(t, run{cache: cache, out: out, during: func(*os.Process) {
		second = w.ingot(t, run{cache: cache, out: out, clusters: twin}, "images", "twin", "--only", "raw", "--json", "--offline")
	}}, "images", "lab", "--only", "raw", "--json", "--offline").ok(t)
	m, o := first.manifest(t), second.ok(t).manifest(t)
	w.same(t, m)
	if m.Trees[0] != o.Trees[0] || m.Trees[1] == o.Trees[1] {
		t.Errorf("file systems %+v and %+v", m.Trees, o.Trees)
	}
	if got := len(fromCache.FindAllString(first.stderr+second.stderr, -1)); got != 1 {
		t.Errorf("%d of two bakes took the step from the cache:\n%s\n%s", got, first.stderr, second.stderr)
	}

	check(t, os.RemoveAll(out))
	same := []string{"images", "lab", "--only", "raw,qcow2", "--offline"}
	first = w.ingot(t, run{cache: cache, out: out, during: func(*os.Process) {
		second = w.ingot(t, run{cache: cache, out: out}, same...)
	}}, same...).ok(t)
	said := first.stdout + second.ok(t).stdout
	if strings.Count(said, "written") != 4 || strings.Count(said, "unchanged") != 4 {
		t.Errorf("two bakes of one cluster at once:\n%s", said)
	}
	command(t, "sha256sum", filepath.Join(images(out, "lab"), "latest.qcow2"))
}

// fullDisk: an error that names the file, and nothing half made.
func fullDisk(t *testing.T, w *world) {
	out := need.SmallDisk(t, 100<<20)
	r := w.ingot(t, run{out: out}, "images", "lab", "--only", "raw,qcow2", "--offline").
		ended(t, 1, "MB are free", "error: writing lab-"+w.manifest.ID+".", "no space left on device")
	t.Logf("%s", lastLines(r.stderr, 2))
	if left := names(t, images(out, "lab")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
