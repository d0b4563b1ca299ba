package tree

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/leak"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// TestRealBase makes the root of a real base, the tar that INGOT_TEST_BASE
// names (package base makes it): nothing may leak, systemd-tmpfiles must
// understand what makes the state, and dpkg must find its database.
func TestRealBase(t *testing.T) {
	name := os.Getenv("INGOT_TEST_BASE")
	if name == "" {
		t.Skip("set INGOT_TEST_BASE to the tar of a base")
	}
	need.Root(t)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var x *Index
	file := filepath.Join(t.TempDir(), "root.squashfs")
	start := time.Now()
	err = Squash(t.Context(), run.Exec{}, file, squashOptions(), func(w io.Writer) error {
		r, scanned := io.Pipe()
		var g errgroup.Group
		g.Go(func() error {
			err := leak.Scan(t.Context(), r, leak.Config{})
			return r.CloseWithError(err)
		})
		g.Go(func() (err error) {
			x, err = Root(t.Context(), io.MultiWriter(w, scanned), RootOptions{Base: f, Date: date})
			return scanned.CloseWithError(err)
		})
		return g.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d paths, %d bytes, %v", len(x.Nodes), info.Size(), time.Since(start))
	dir := filepath.Join(t.TempDir(), "root")
	if out, err := exec.Command(need.Tool(t, "unsquashfs"), "-no-progress", "-d", dir, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkCapabilities(t, x, dir)
	checkTmpfiles(t, dir)
	for _, at := range []string{"/usr/lib/sysimage/dpkg", "/var/lib/dpkg"} {
		out, err := exec.Command(need.Tool(t, "dpkg-query"), "--admindir="+dir+at, "-W", "-f", "${db:Status-Abbrev}\n").Output()
		if n := strings.Count(string(out), "ii "); err != nil || n < 100 || n != strings.Count(string(out), "\n") {
			t.Errorf("packages in %s: %d, %v", at, n, err)
		}
	}
}

// checkCapabilities compares the file system's with the index's.
func checkCapabilities(t *testing.T, x *Index, dir string) {
	t.Helper()
	const name = "security.capability"
	found := 0
	for _, n := range x.Nodes {
		want, ok := n.Xattrs[name]
		if !ok {
			continue
		}
		found++
		got := make([]byte, 64)
		size, err := unix.Lgetxattr(filepath.Join(dir, n.Path), name, got)
		if err != nil || string(got[:size]) != string(want) {
			t.Errorf("%s: capability %q, %v, want %q", n.Path, got[:max(size, 0)], err, want)
		}
	}
	if found == 0 {
		t.Error("the base has no file capability at all")
	}
}

// checkTmpfiles makes the state as a machine does at boot: nothing is to be
// said about it, and what the links of the root lead to is to be there.
func checkTmpfiles(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "etc/machine-id"), []byte(strings.Repeat("0a", 16)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The tree's own program: an older one does not know all of the lines.
	out, err := exec.Command(need.Tool(t, "unshare"), "--mount", "--pid", "--fork", "--root="+dir, "--mount-proc",
		"systemd-tmpfiles", "--create", "--boot", "--prefix=/var", "--exclude-prefix=/var/log/journal").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		t.Errorf("systemd-tmpfiles: %s", line)
	}
	if err != nil {
		t.Errorf("systemd-tmpfiles: %v", err)
	}
	for _, l := range stateLinks {
		if info, err := os.Stat(filepath.Join(dir, l.to)); err != nil || !info.IsDir() {
			t.Errorf("%s leads to %s: %v", l.from, l.to, err)
		}
		if got, err := os.Readlink(filepath.Join(dir, l.from)); err != nil || filepath.Join(filepath.Dir(l.from), got) != l.to {
			t.Errorf("%s leads to %q, %v, not to %s", l.from, got, err, l.to)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "var/roothome/.profile"))
	want, errWant := os.ReadFile(filepath.Join(dir, factoryDir, "var/roothome/.profile"))
	if err != nil || errWant != nil || string(got) != string(want) {
		t.Errorf("the profile of root: %q, %v, %v", got, err, errWant)
	}
	if info, err := os.Stat(filepath.Join(dir, "var/roothome")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the home of root: %v, %v", info, err)
	}
}
