package bake_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/internal/need"
)

// other are settings that no byte may depend on.
var other = []string{"TZ=Asia/Tokyo", "LC_ALL=de_DE.UTF-8", "LANGUAGE=de", "GOMAXPROCS=1", "SOURCE_DATE_EPOCH=1"}

// umask makes files for nobody else, as long as the test runs.
func umask(t *testing.T) {
	t.Helper()
	old := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(old) })
}

// asUser: another user in another home, with another umask and other settings,
// makes the base, the initrd and the file systems anew, and gets the same bytes.
func asUser(t *testing.T, w *world) {
	need.Root(t)
	name, id := account(t)
	home := t.TempDir()
	for dir := home; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755))
	}
	// Only what is compiled is taken from the cache. Its files stay root's.
	cache := filepath.Join(home, ".cache", "ingot")
	check(t, os.Mkdir(filepath.Dir(cache), 0o755))
	clone := w.cloneCache(t, "base", "root", start, "bill of materials")
	check(t, os.Rename(clone, cache))
	check(t, os.CopyFS(filepath.Join(home, "mine"), os.DirFS(filepath.Join(w.dir, "clusters"))))
	check(t, os.CopyFS(filepath.Join(home, "config"), os.DirFS(filepath.Join(w.dir, "config"))))
	check(t, os.Chmod(filepath.Join(home, "config", "ingot", "identity.txt"), 0o600))
	program := filepath.Join(home, "program")
	copyFile(t, w.program, program)
	check(t, os.Chmod(program, 0o755))
	check(t, filepath.WalkDir(home, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(filepath.Dir(path)) == "sha256" {
			return err
		}
		return os.Lchown(path, id, id)
	}))
	umask(t)
	mine := *w
	mine.program = program
	out := filepath.Join(home, "made")
	r := mine.ingot(t, run{
		clusters: filepath.Join(home, "mine"), out: out, dir: home, cache: cache,
		environ: append([]string{"HOME=" + home, "USER=" + name, "LOGNAME=" + name, "XDG_CONFIG_HOME=" + filepath.Join(home, "config")}, other...),
		prefix:  []string{need.Tool(t, "setpriv"), "--reuid=" + name, "--regid=" + name, "--init-groups", "--inh-caps=-all"},
	}, "images", "lab", "--json", "--offline", "--only", allFormats).ok(t)
	for _, step := range []string{"base", "root", start} {
		if strings.Contains(r.stderr, step+" ") && strings.Contains(stepLine(r.stderr, step), "from the cache") {
			t.Errorf("%s was not made anew", step)
		}
	}
	m := r.manifest(t)
	t.Logf("as %s it took %.1f s, at most %d MB in one process", name, r.took.Seconds(), r.peak>>20)
	if diff := cmp.Diff(w.manifest, m, cmpopts.IgnoreFields(builder.Manifest{}, "Timings")); diff != "" {
		t.Errorf("the manifests differ (-root +user):\n%s", diff)
		differences(t, images(w.out, "lab"), images(out, "lab"))
	}
}

// stepLine is what is told of a step's end.
func stepLine(said, step string) string {
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, step+"  ") {
			return line
		}
	}
	return ""
}

// account makes a user with subordinate ids.
func account(t *testing.T) (string, int) {
	t.Helper()
	const name = "ingot-e2e"
	useradd, userdel := need.Tool(t, "useradd"), need.Tool(t, "userdel")
	if _, err := user.Lookup(name); err != nil {
		if out, err := exec.Command(useradd, "--no-create-home", "--user-group", name).CombinedOutput(); err != nil {
			t.Fatalf("making a user: %v\n%s", err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command(userdel, name).CombinedOutput(); err != nil {
			t.Errorf("removing the user: %v\n%s", err, out)
		}
	})
	u, err := user.Lookup(name)
	check(t, err)
	id, err := strconv.Atoi(u.Uid)
	check(t, err)
	return name, id
}

// differences names the files in two images that differ.
func differences(t *testing.T, was, is string) {
	t.Helper()
	read := func(dir string) (out struct{ Root, Cluster *tree.Index }) {
		data, err := os.ReadFile(filepath.Join(dir, "files.json"))
		check(t, err)
		check(t, json.Unmarshal(data, &out))
		return out
	}
	a, b := read(was), read(is)
	for _, d := range append(tree.Diff(a.Root, b.Root), tree.Diff(a.Cluster, b.Cluster)...) {
		t.Logf("%s: %s", d.Path, d.How)
	}
}

// verify: the same again, with every step fresh, on one processor; and what is
// not the same is told.
func verify(t *testing.T, w *world) {
	dir := t.TempDir()
	raw := w.path(t, builder.Raw)
	umask(t)
	r := w.ingot(t, run{dir: dir, environ: other, prefix: []string{need.Tool(t, "taskset"), "-c", "0"}}, "verify", raw).ok(t)
	if want := "lab-" + w.manifest.ID + ": the same bytes in 7 files\n"; r.stdout != want {
		t.Errorf("it says %q, want %q", r.stdout, want)
	}
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, "from the cache") {
			t.Errorf("not made anew: %s", line)
		}
	}
	t.Logf("with every step it took %.1f s, at most %d MB in one process", r.took.Seconds(), r.peak>>20)
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}

	clusters := w.definition(t, "lab", func(text string) string {
		return text + "files: [{path: /etc/motd, content: planted}]\n"
	})
	w.ingot(t, run{clusters: clusters}, "verify", raw).ended(t, 3, "another input: the definition is not what the image was made of")

	f, err := os.OpenFile(raw, os.O_RDWR, 0)
	check(t, err)
	one := make([]byte, 1)
	_, err = f.ReadAt(one, 123<<20)
	check(t, err)
	one[0] ^= 1
	_, err = f.WriteAt(one, 123<<20)
	check(t, err)
	check(t, f.Close())
	w.ingot(t, run{}, "verify", raw).ended(t, 3, "damaged: "+filepath.Base(raw)+" has another content than when it was baked")
}
