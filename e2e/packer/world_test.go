// Package packer_test runs the real Packer with the plugin, as people run it.
// It bakes, and so runs only where INGOT_E2E_DIR names a folder to work in and
// INGOT_TEST_PACKER a Packer, which "make e2e-packer" sets. Steps come from the user's
// own cache.
package packer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/fetch"
)

// Variables of the environment: the folder that is worked in, and Packer.
const (
	folderVariable = "INGOT_E2E_DIR"
	packerVariable = "INGOT_TEST_PACKER"
)

// source names the plugin, where Packer would look for it on the network.
const source = "github.com/ingot-k8s/ingot"

// world is what the tests have in common.
type world struct {
	dir    string // with clusters/lab and its lock
	ingot  string // the program
	packer string
	cache  string // of the user

	environ  []string
	manifest *builder.Manifest // of what ingot has baked
}

// TestPacker bakes the cluster lab with ingot, and then with Packer.
func TestPacker(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"Checks", checks},
		{"Refused", refused},
		{"Same", same},
		{"Machine", machineReadable},
		{"Recorded", recorded},
		{"Destroyed", destroyed},
		{"Interrupted", interrupted},
		{"Changed", changed},
		{"Unchanged", unchanged},
		{"Failed", failed},
		{"Components", components},
		{"Inside", inside},
		{"Packages", packages},
		{"Converted", converted},
		{"Published", published},
		{"Parallel", parallel},
		{"Values", values},
		{"Documents", documents},
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
	w, root := equip(t)
	dir := w.dir
	lab := filepath.Join(dir, "clusters", "lab")
	check(t, os.MkdirAll(lab, 0o755))
	text, err := os.ReadFile("../../clusters/lab/cluster.yaml")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(lab, "cluster.yaml"), text, 0o644))
	// The lock of another test's run, if there is one: less is made anew.
	if _, err := os.Stat(filepath.Join(lab, "lock.yaml")); errors.Is(err, fs.ErrNotExist) {
		if other, err := os.ReadFile(filepath.Join(root, "bake", "clusters", "lab", "lock.yaml")); err == nil {
			check(t, os.WriteFile(filepath.Join(lab, "lock.yaml"), other, 0o644))
		}
	}
	out := filepath.Join(dir, "out")
	check(t, os.RemoveAll(out)) // of the last run
	w.command(t, invocation{}, w.ingot, "lock", "lab", "--clusters", filepath.Join(dir, "clusters")).ok(t)
	r := w.command(t, invocation{}, w.ingot, "images", "lab", "--json", "--only", "raw,qcow2,vmdk,ova,raw.gz",
		"--clusters", filepath.Join(dir, "clusters"), "--out", out).ok(t)
	w.manifest = new(builder.Manifest)
	check(t, json.Unmarshal([]byte(r.stdout), w.manifest))
	return w
}

// equip is a world without images: the programs, and the plugin where Packer
// finds it. The folder that all end-to-end tests work in is the second result.
func equip(t *testing.T) (*world, string) {
	t.Helper()
	dir, packer := os.Getenv(folderVariable), os.Getenv(packerVariable)
	if dir == "" || packer == "" {
		t.Skipf("needs a folder to work in, Packer, and minutes: make e2e-packer sets %s and %s", folderVariable, packerVariable)
	}
	packer, err := filepath.Abs(packer)
	check(t, err)
	root, err := filepath.Abs(dir)
	check(t, err)
	dir = filepath.Join(root, "packer")
	cache, err := fetch.DefaultDir()
	check(t, err)
	w := &world{dir: dir, packer: packer, cache: cache, ingot: filepath.Join(dir, "bin", "ingot")}
	w.environ = append(os.Environ(), "CHECKPOINT_DISABLE=1", "XDG_CONFIG_HOME="+filepath.Join(dir, "config"),
		"PACKER_CONFIG_DIR="+filepath.Join(dir, "config"), "PACKER_PLUGIN_PATH="+filepath.Join(dir, "plugins"), "PACKER_NO_COLOR=1")
	plugin := filepath.Join(dir, "bin", "packer-plugin-ingot")
	build(t, w.ingot, "../../cmd/ingot")
	build(t, plugin, "../../cmd/packer-plugin-ingot")
	check(t, os.RemoveAll(filepath.Join(dir, "plugins")))
	w.install(t, plugin, source)
	return w, root
}

// build builds a program as make does.
func build(t *testing.T, file, pkg string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
}

// invocation says how a program is run. The zero value is what most tests want.
type invocation struct {
	dir    string // to work in
	cache  string // folder of the cache, the user's if empty
	tmp    string // for temporary files, the system's if empty
	env    []string
	during func(p *os.Process, said func() string)
}

// result is how it ended.
type result struct {
	status         int // -1 for a signal
	stdout, stderr string
	took           time.Duration
}

// template is Packer with a template, which is written into a folder of its own.
func (w *world) template(t *testing.T, r invocation, text string, args ...string) *result {
	t.Helper()
	dir := t.TempDir()
	if r.dir == "" {
		r.dir = dir
	}
	file := filepath.Join(dir, "test.pkr.hcl")
	check(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "CLUSTERS", filepath.Join(w.dir, "clusters"))), 0o644))
	return w.command(t, r, slices.Concat([]string{w.packer}, args, []string{file})...)
}

// command runs a program to its end, as the leader of a group of processes, as a
// shell does.
func (w *world) command(t *testing.T, r invocation, argv ...string) *result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = r.dir, slices.Clone(w.environ)
	cmd.Env = append(cmd.Env, r.env...)
	if r.cache != "" {
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+filepath.Dir(r.cache))
	}
	if r.tmp != "" {
		cmd.Env = append(cmd.Env, "TMPDIR="+r.tmp)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stdout, stderr buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	check(t, cmd.Start())
	if r.during != nil {
		r.during(cmd.Process, stdout.String)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	out := &result{status: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), took: time.Since(began)}
	if strings.Contains(out.stdout+out.stderr, "PRIVATE KEY") {
		t.Error("it has said a private key")
	}
	return out
}

// buffer is a buffer that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// ok expects exit status 0.
func (r *result) ok(t *testing.T) *result {
	t.Helper()
	return r.ended(t, 0)
}

// ended expects an exit status, and each text in what was said, wherever Packer
// breaks its lines.
func (r *result) ended(t *testing.T, status int, texts ...string) *result {
	t.Helper()
	if r.status != status {
		t.Fatalf("exit status %d, want %d:\n%s%s", r.status, status, r.stdout, r.stderr)
	}
	said := spaces.ReplaceAllString(r.stdout+r.stderr, " ")
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("it does not say %q:\n%s%s", text, r.stdout, r.stderr)
		}
	}
	return r
}

var spaces = regexp.MustCompile(`\s+`)

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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
