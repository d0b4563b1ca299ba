package unpack

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/internal/run"
)

// The results, and what is refused, are tested in package ignition, together
// with the script that does the same.

// content is what a test's bundle brings, by path.
type content map[string]string

var (
	first = content{
		"/etc/ingot/node.json": "{}\n", "/etc/kubernetes/pki/a.key": "first key", "/etc/kubernetes/pki/a.crt": "first certificate",
		"/etc/etcd/only-first": "x",
	}
	second = content{
		"/etc/ingot/node.json": "{ }\n", "/etc/kubernetes/pki/a.key": "second key", "/etc/kubernetes/pki/a.crt": "second certificate",
		"/etc/kubernetes/pki/only-second.key": "y",
	}
)

// pack makes a bundle.
func (c content) pack(t *testing.T) []byte {
	t.Helper()
	manifest, body := bundle.Magic+"\n", ""
	for _, path := range slices.Sorted(maps.Keys(c)) {
		manifest += fmt.Sprintf("f 640 root:root %s\nt %d\n", path, len(c[path]))
		body += c[path]
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(manifest + bundle.End + "\n" + body))
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

// machine is a folder whose first bundle is wanted, and here.
func machine(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	data := first.pack(t)
	write(t, root, bundle.Path, string(data))
	write(t, root, bundle.PinPath, bundle.Sum(data)+"  identity.bundle\n")
	return root
}

// ended stands for a signal that cannot be caught, or the power.
type ended struct{}

// unpacks runs the unpacker over a folder and ends it before change n; 0 means
// never. It lists the changes, and whether it was ended.
func unpacks(t *testing.T, root, file string, n int) (steps []string, cut bool) {
	t.Helper()
	u := &unpacker{Config: Config{Root: root, Runner: noRunner{t}, Stderr: os.Stderr}, super: os.Geteuid() == 0}
	u.step = func(what string) {
		steps = append(steps, strings.ReplaceAll(strings.ReplaceAll(what, root, ""), fmt.Sprintf("identity.%d", os.Getpid()), "identity.PID"))
		if len(steps) == n {
			panic(ended{})
		}
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(ended); !ok {
				panic(r)
			}
			cut = true
		}
	}()
	_, err := u.run(context.Background(), file)
	must(t, err)
	return steps, false
}

// noRunner runs nothing: there is nothing to fetch.
type noRunner struct{ t *testing.T }

func (r noRunner) Run(_ context.Context, c run.Command) error {
	r.t.Errorf("it runs %q", c.Argv)
	return nil
}

// holds reports how a folder differs from what a bundle brings.
func (c content) holds(t *testing.T, root string) (differ []string) {
	t.Helper()
	want := map[string]bool{bundle.PinPath: true, bundle.AppliedPath: true}
	for path, text := range c {
		want[path] = true
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(got) != text {
			differ = append(differ, path)
		}
	}
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !want[strings.TrimPrefix(path, root)] {
			differ = append(differ, "left: "+path)
		}
		return err
	}))
	return differ
}

// The order of what is done is what makes a power cut harmless: the files are on
// the disk before it is noted that they are, and what is given is wanted before
// a file of it is in place.
func TestOrder(t *testing.T) {
	root := machine(t)
	steps, _ := unpacks(t, root, "", 0)
	var want []string
	for _, path := range []string{"/etc/etcd/only-first", "/etc/ingot/node.json", "/etc/kubernetes/pki/a.crt", "/etc/kubernetes/pki/a.key"} {
		dir := filepath.Dir(path)
		switch path {
		case "/etc/etcd/only-first":
			want = append(want, "make "+dir)
		case "/etc/kubernetes/pki/a.crt":
			want = append(want, "make /etc/kubernetes", "make "+dir)
		}
		temp := dir + "/.ingot-identity.PID"
		want = append(want, "write "+temp, "give "+temp, "name "+path)
	}
	put := func(path string) []string {
		return []string{"write " + path + ".new", "give " + path + ".new", "name " + path}
	}
	noted := append(append([]string{"flush"}, put(bundle.AppliedPath)...), "flush")
	want = append(append(want, noted...), "remove "+bundle.Path)
	if !slices.Equal(steps, want) {
		t.Errorf("first: got\n%s\nwant\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}

	file := filepath.Join(t.TempDir(), "bundle")
	must(t, os.WriteFile(file, second.pack(t), 0o600))
	steps, _ = unpacks(t, root, file, 0)
	want = slices.Concat(put(bundle.Path), []string{"flush"}, put(bundle.PinPath), []string{"flush"})
	if len(steps) < len(want) || !slices.Equal(steps[:len(want)], want) {
		t.Errorf("renewal: got\n%s\nwant first\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
	want = slices.Concat([]string{"remove /etc/etcd/only-first"}, noted, []string{"remove " + bundle.Path})
	if len(steps) < len(want) || !slices.Equal(steps[len(steps)-len(want):], want) {
		t.Errorf("renewal: got\n%s\nwant last\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
}

// Ended before any of its changes, the next run does the whole work.
func TestEnded(t *testing.T) {
	for n := 1; ; n++ {
		root := machine(t)
		_, cut := unpacks(t, root, "", n)
		if !cut {
			if n < 20 {
				t.Errorf("it has only %d changes", n)
			}
			return
		}
		unpacks(t, root, "", 0)
		if differ := first.holds(t, root); len(differ) > 0 {
			t.Errorf("ended before change %d: %q", n, differ)
		}
	}
}

// A renewal that is ended leaves, after the next boot, the old identity or the
// new one, whole; and the new one from the moment on when it is wanted.
func TestRenewalEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bundle")
	must(t, os.WriteFile(file, second.pack(t), 0o600))
	seen := map[bool]int{}
	for n := 1; ; n++ {
		root := machine(t)
		unpacks(t, root, "", 0)
		_, cut := unpacks(t, root, file, n)
		unpacks(t, root, "", 0)
		want, renewed := first, strings.HasPrefix(read(t, root, bundle.AppliedPath), bundle.Sum(second.pack(t)))
		if renewed {
			want = second
		}
		if differ := want.holds(t, root); len(differ) > 0 {
			t.Errorf("ended before change %d: %q", n, differ)
		}
		if seen[renewed]++; seen[true] > 0 && !renewed {
			t.Errorf("ended before change %d: it is the old identity again", n)
		}
		if !cut {
			break
		}
	}
	if seen[true] < 15 || seen[false] < 5 {
		t.Errorf("the new one was there %d times, the old one %d", seen[true], seen[false])
	}
}

// A cancelled run stops between two files, and leaves none in the making.
func TestCancelled(t *testing.T) {
	root := machine(t)
	ctx, cancel := context.WithCancel(context.Background())
	u := &unpacker{Config: Config{Root: root, Runner: noRunner{t}}, super: os.Geteuid() == 0}
	u.step = func(string) { cancel() }
	if _, err := u.run(ctx, ""); err == nil || err.Error() != "context canceled" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, bundle.AppliedPath)); err == nil {
		t.Error("it says that all is done")
	}
	if left, err := filepath.Glob(filepath.Join(root, "etc/*/.ingot-identity*")); err != nil || len(left) > 0 {
		t.Errorf("it left %q (%v)", left, err)
	}
	unpacks(t, root, "", 0)
	if differ := first.holds(t, root); len(differ) > 0 {
		t.Errorf("the next run: %q", differ)
	}
}

func TestNeedsRoot(t *testing.T) {
	u := &unpacker{Config: Config{Root: "/", Runner: noRunner{t}}, step: func(what string) { t.Errorf("it does: %s", what) }}
	if _, err := u.run(context.Background(), ""); err == nil || err.Error() != "only root can do this" {
		t.Errorf("got %v", err)
	}
}

func TestPin(t *testing.T) {
	for text, want := range map[string]string{"": "is missing", "clear\n": "does not start with a SHA-256"} {
		root := machine(t)
		write(t, root, bundle.PinPath, text)
		write(t, root, bundle.FetchPath, "exit 1")
		_, err := Run(context.Background(), Config{Root: root, Runner: noRunner{t}}, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error about %q", text, err, want)
		}
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]struct {
		owner owner
		ok    bool
	}{
		"root:root":                   {owner{}, true},
		"0:0":                         {owner{}, true},
		"12:345":                      {owner{12, 345}, true},
		"?nobodyknows:root":           {owner{}, true},
		"?root:nobodyknows":           {owner{}, true},
		"nobodyknows:root":            {owner{}, false},
		"root:nobodyknows":            {owner{}, false},
		"root:4294967295":             {owner{}, false},
		"4294967296:0":                {owner{}, false},
		"?nobodyknows:nobodyknowsme.": {owner{}, true},
	} {
		if got, err := find(name); (err == nil) != want.ok || err == nil && got != want.owner {
			t.Errorf("%s: got %v and %v, want %+v", name, got, err, want)
		}
	}
}

// With SELinux files get their labels, by one call.
func TestRelabel(t *testing.T) {
	root := machine(t)
	write(t, root, "/sys/fs/selinux/enforce", "1")
	var argv []string
	runner := runnerFunc(func(c run.Command) error {
		argv = append(argv, c.Argv...)
		return fmt.Errorf("it is not there")
	})
	if n, err := Run(context.Background(), Config{Root: root, Runner: runner}, ""); err != nil || n != len(first) {
		t.Errorf("got %d and %v", n, err)
	}
	if len(argv) != 1+len(first) || argv[0] != "restorecon" || !slices.Contains(argv, filepath.Join(root, "/etc/kubernetes/pki/a.key")) {
		t.Errorf("got %q", argv)
	}
}

type runnerFunc func(run.Command) error

func (f runnerFunc) Run(_ context.Context, c run.Command) error { return f(c) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, root, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
	must(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o600))
}

func read(t *testing.T, root, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	must(t, err)
	return string(data)
}
