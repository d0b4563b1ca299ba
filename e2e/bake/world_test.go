// Package bake_test bakes images with the program as people run it, and looks
// at what comes out and what is left when it goes wrong. It takes minutes, and
// runs only where INGOT_E2E_DIR names a folder to work in, which "make e2e"
// sets. The lock stays there for the next run, and steps come from the user's
// own cache, so that little is made again.
package bake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/internal/need"
)

// folderVariable names the folder that is worked in.
const folderVariable = "INGOT_E2E_DIR"

// allFormats is for --only.
const allFormats = "raw,qcow2,vmdk,ova,raw.gz"

// world is what the tests have in common.
type world struct {
	dir     string // with clusters/lab and its lock
	program string // ingot
	cache   string // of the user, which tests do not change otherwise than bakes do

	out      string // of the first bake, in all formats
	manifest *builder.Manifest
	first    *result
}

// TestBake bakes the cluster lab once in all formats, and then what each test
// needs.
func TestBake(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"Formats", formats},
		{"Bill", bill},
		{"Unchanged", unchanged},
		{"OneLine", oneLine},
		{"Leaks", leaks},
		{"Killed", killed},
		{"Interrupted", interrupted},
		{"DamagedCache", damagedCache},
		{"Offline", offline},
		{"Tampered", tampered},
		{"AtOnce", atOnce},
		{"FullDisk", fullDisk},
		{"AsUser", asUser},
		{"BootISO", bootISO},
		{"Verify", verify},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			test.run(t, w)
			t.Logf("%s: %.1f s", test.name, time.Since(began).Seconds())
		})
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := os.Getenv(folderVariable)
	if dir == "" {
		t.Skipf("needs a folder to work in, and minutes: make e2e sets %s", folderVariable)
	}
	dir, err := filepath.Abs(filepath.Join(dir, "bake"))
	check(t, err)
	lab := filepath.Join(dir, "clusters", "lab")
	check(t, os.MkdirAll(lab, 0o755))
	cache, err := fetch.DefaultDir()
	check(t, err)
	w := &world{dir: dir, cache: cache, program: filepath.Join(dir, "bin", "ingot"), out: filepath.Join(dir, "out")}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", w.program, "../../cmd/ingot")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building ingot: %v\n%s", err, out)
	}
	data, err := os.ReadFile("../../clusters/lab/cluster.yaml")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(lab, "cluster.yaml"), data, 0o644))
	check(t, os.RemoveAll(w.out)) // of the last run
	w.ingot(t, run{}, "lock", "lab").ok(t)
	w.first = w.ingot(t, run{}, "images", "lab", "--json", "--only", allFormats).ok(t)
	w.manifest = w.first.manifest(t)
	t.Logf("the first bake took %.1f s and at most %d MB in one process", w.first.took.Seconds(), w.first.peak>>20)
	return w
}

// run says how ingot is run. The zero value is what most tests want.
type run struct {
	clusters string   // folder of definitions; those of the world if empty
	out      string   // folder of outputs; that of the world if empty
	dir      string   // to work in
	cache    string   // folder of the cache, the user's if empty
	environ  []string // more of it
	prefix   []string // a program that runs ingot
	during   func(p *os.Process)
}

// result is how it ended.
type result struct {
	status         int // -1 for a signal
	stdout, stderr string
	took           time.Duration
	peak           int64 // of memory in the largest process, in bytes
}

// ingot runs it to its end.
func (w *world) ingot(t *testing.T, r run, args ...string) *result {
	t.Helper()
	if r.clusters == "" {
		r.clusters = filepath.Join(w.dir, "clusters")
	}
	if r.out == "" {
		r.out = w.out
	}
	argv := slices.Concat(r.prefix, []string{w.program}, args, []string{"--clusters", r.clusters, "--out", r.out})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(w.dir, "config"))
	if r.cache != "" {
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+filepath.Dir(r.cache))
	}
	cmd.Env = append(cmd.Env, r.environ...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	check(t, cmd.Start())
	if r.during != nil {
		r.during(cmd.Process)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	out := &result{status: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), took: time.Since(began)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		out.peak = usage.Maxrss << 10 // getrusage(2): kilobytes, children included
	}
	return out
}

// ok expects exit status 0.
func (r *result) ok(t *testing.T) *result {
	t.Helper()
	return r.ended(t, 0)
}

// ended expects an exit status, and each text in what was said.
func (r *result) ended(t *testing.T, status int, texts ...string) *result {
	t.Helper()
	if r.status != status {
		t.Fatalf("exit status %d, want %d:\n%s%s", r.status, status, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("it does not say %q:\n%s%s", text, r.stdout, r.stderr)
		}
	}
	return r
}

// manifest is what a bake with --json has said.
func (r *result) manifest(t *testing.T) *builder.Manifest {
	t.Helper()
	var m builder.Manifest
	if err := json.Unmarshal([]byte(r.stdout), &m); err != nil {
		t.Fatalf("%v:\n%s", err, r.stdout)
	}
	return &m
}

// images is the folder of images of a cluster.
func images(out, cluster string) string { return filepath.Join(out, cluster, "images") }

// path is an image of the first bake.
func (w *world) path(t *testing.T, f builder.Format) string {
	t.Helper()
	out, ok := w.manifest.File(f)
	if !ok {
		t.Fatalf("the manifest has no %q", f)
	}
	return filepath.Join(images(w.out, "lab"), out.Name)
}

// definition makes a folder of definitions with a copy of lab, its lock and its
// keys, and what change makes of its text.
func (w *world) definition(t *testing.T, name string, change func(text string) string) string {
	t.Helper()
	clusters := t.TempDir()
	check(t, os.CopyFS(filepath.Join(clusters, name), os.DirFS(filepath.Join(w.dir, "clusters", "lab"))))
	path := filepath.Join(clusters, name, "cluster.yaml")
	data, err := os.ReadFile(path)
	check(t, err)
	text := change(string(data))
	if text == string(data) {
		t.Fatal("the definition is the same")
	}
	check(t, os.WriteFile(path, []byte(text), 0o644))
	return clusters
}

// cloneCache makes a cache that has what the user's has, but for the steps that
// are named. Its files are links to those of the user's: they may be replaced,
// not written.
func (w *world) cloneCache(t *testing.T, without ...string) string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "ingot")
	for _, sub := range []string{"sha256", "steps"} {
		check(t, os.MkdirAll(filepath.Join(cache, sub), 0o755))
		entries, err := os.ReadDir(filepath.Join(w.cache, sub))
		check(t, err)
		for _, e := range entries {
			from, to := filepath.Join(w.cache, sub, e.Name()), filepath.Join(cache, sub, e.Name())
			if sub == "steps" {
				if filepath.Ext(from) != ".json" || slices.Contains(without, stepOf(t, from)) {
					continue
				}
			} else if err := os.Link(from, to); err == nil {
				continue
			} else if errors.Is(err, fs.ErrNotExist) {
				continue // gone meanwhile
			}
			copyFile(t, from, to)
		}
	}
	return cache
}

// stepOf is whose record a file of a cache is.
func stepOf(t *testing.T, path string) string {
	t.Helper()
	return record(t, path).Step
}

// stepRecord is what tests read of the record of a step.
type stepRecord struct {
	Step  string
	Files []struct{ Name, SHA256 string }
}

func record(t *testing.T, path string) (r stepRecord) {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	check(t, json.Unmarshal(data, &r))
	return r
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	check(t, err)
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	check(t, err)
	_, err = io.Copy(out, in)
	check(t, errors.Join(err, out.Close()))
}

// names lists a folder, which need not be there.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// command runs a program that must succeed, and gives what it said.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need.Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
