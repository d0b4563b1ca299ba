package workshop

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
)

// date is the clock of the tests.
var date = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// item is a member of an archive of the tests.
type item struct {
	name, content, target string
	kind                  byte
	mode                  int64
}

// archive makes an archive.
func archive(t *testing.T, items ...item) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Typeflag: i.kind, Name: i.name, Linkname: i.target, Mode: i.mode, Size: int64(len(i.content)), ModTime: date.Add(-time.Hour)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, i.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

// tiny is a base that can run a shell.
func tiny(t *testing.T) *bytes.Reader {
	t.Helper()
	busybox := need.Tool(t, "busybox")
	items := []item{{name: "./", kind: tar.TypeDir, mode: 0o755}}
	for _, dir := range []string{"dev", "proc", "run", "tmp", "etc", "usr", "usr/bin", "bin", "old", "old/inner"} {
		items = append(items, item{name: "./" + dir + "/", kind: tar.TypeDir, mode: 0o755})
	}
	for _, lib := range libraries(t, busybox) {
		items = append(items, item{name: "." + lib, kind: tar.TypeReg, mode: 0o755, content: read(t, lib)})
	}
	items = append(items,
		item{name: "./dev/null", kind: tar.TypeChar, mode: 0o666},
		item{name: "./usr/bin/busybox", kind: tar.TypeReg, mode: 0o755, content: read(t, busybox)},
		item{name: "./etc/kept", kind: tar.TypeReg, mode: 0o644, content: "kept\n"},
		item{name: "./etc/linked", kind: tar.TypeLink, target: "./etc/kept"},
		item{name: "./old/inner/file", kind: tar.TypeReg, mode: 0o600, content: "old\n"},
	)
	for _, name := range []string{"usr/bin/env", "bin/sh", "usr/bin/id", "usr/bin/rm", "usr/bin/chmod", "usr/bin/touch", "usr/bin/ln", "usr/bin/mkfifo", "usr/bin/sleep", "usr/bin/cat"} {
		items = append(items, item{name: "./" + name, kind: tar.TypeSymlink, target: "/usr/bin/busybox"})
	}
	return archive(t, items...)
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// libraries lists what a program of Debian loads, by the paths at which it is
// looked for.
func libraries(t *testing.T, program string) []string {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	names, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		return nil
	}
	out := []string{"/lib64/ld-linux-x86-64.so.2"}
	for _, name := range names {
		out = append(out, "/lib/x86_64-linux-gnu/"+name)
	}
	return out
}

// open opens a workshop over the tiny base, as root or not.
func open(t *testing.T) *Workshop {
	t.Helper()
	need.Tool(t, "unshare")
	root := os.Geteuid() == 0
	if !root {
		if err := exec.CommandContext(t.Context(), "unshare", "--user", "--map-auto", "--map-root-user", "true").Run(); err != nil {
			need.Root(t) // a user without subordinate ids
		}
	}
	w, err := Open(t.Context(), Config{Runner: run.Exec{}, Root: root, Path: os.Getenv("PATH"), TmpDir: t.TempDir(), Date: date}, tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(w.dir); err == nil {
			t.Errorf("%s is left", w.dir)
		}
	})
	return w
}

// shell runs lines in a workshop.
func (w *Workshop) shell(t *testing.T, lines string) {
	t.Helper()
	var said bytes.Buffer
	if err := w.Run(t.Context(), Streams{Out: &said, Err: &said}, "/bin/sh", "-euc", lines); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
}

func (w *Workshop) changed(t *testing.T) *Changes {
	t.Helper()
	c, err := w.Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChanges(t *testing.T) {
	const lines = `test "$(id -u)" = 0; echo new >/etc/new; chmod 0600 /etc/kept; rm -r /old/inner; ln -s new /etc/link; echo x >/tmp/x; cat /dev/null`
	var sums []string
	for range 2 {
		w := open(t)
		if c := w.changed(t); !c.Empty() {
			t.Fatalf("a new one has changes: %+v", c)
		}
		w.shell(t, lines)
		c := w.changed(t)
		want := &Changes{
			Written: []string{"/etc/kept", "/etc/link", "/etc/linked", "/etc/new"}, // a hard link has the mode of its target
			Removed: []string{"/old/inner", "/old/inner/file"},
		}
		if diff := cmp.Diff(want.Written, c.Written) + cmp.Diff(want.Removed, c.Removed); diff != "" {
			t.Errorf("other changes (-want +got):\n%s", diff)
		}
		sums = append(sums, c.Sum)
	}
	if sums[0] != sums[1] || len(sums[0]) != 64 {
		t.Errorf("the same changes have the sums %q", sums)
	}
}

// What is as it was, however often it was written, is no change.
func TestSameAgain(t *testing.T) {
	w := open(t)
	w.shell(t, `touch /etc/kept /etc; echo kept >/etc/copy; cat /etc/copy >/etc/kept; rm /etc/copy; chmod 0600 /etc/kept; chmod 0644 /etc/kept`)
	if c := w.changed(t); !c.Empty() {
		t.Errorf("it has changes: %+v", c)
	}
}

func TestMerge(t *testing.T) {
	w := open(t)
	w.shell(t, `echo new >/etc/new; chmod 0600 /etc/linked; rm -r /old/inner`)
	var out bytes.Buffer
	if err := Merge(t.Context(), &out, w.base, w.changed(t)); err != nil {
		t.Fatal(err)
	}
	all, err := index(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/etc/new": "new\n", "/etc/kept": "kept\n", "/etc/linked": "kept\n"} {
		m := all[path]
		if m == nil {
			t.Fatalf("there is no %s", path)
		}
		got, err := io.ReadAll(m.content())
		if err != nil || string(got) != want {
			t.Errorf("%s is %q, want %q: %v", path, got, want, err)
		}
	}
	if !all["/etc/new"].header.ModTime.Equal(date) || all["/etc/linked"].header.Mode != 0o600 {
		t.Errorf("got %v and mode %o", all["/etc/new"].header.ModTime, all["/etc/linked"].header.Mode)
	}
	if _, is := all["/old/inner/file"]; is {
		t.Error("what was removed is there")
	}
	var again bytes.Buffer
	if err := Merge(t.Context(), &again, w.base, w.changed(t)); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("a second merge has other bytes: %v", err)
	}
}

func TestRefused(t *testing.T) {
	w := open(t)
	w.shell(t, "mkfifo /etc/pipe")
	if _, err := w.Changes(t.Context()); err == nil || !strings.Contains(err.Error(), "/etc/pipe is a device, a pipe or a socket") {
		t.Errorf("got %v", err)
	}
}

// Root of the tree is not root of this machine, whoever has opened it.
func TestRights(t *testing.T) {
	w := open(t)
	if err := w.Run(t.Context(), Streams{}, "/usr/bin/busybox", "mknod", "/etc/device", "c", "1", "3"); err == nil {
		t.Error("a device was made")
	}
	w.shell(t, `test "$(id -u)" = 0; echo x >/etc/new; /usr/bin/busybox chown 7:7 /etc/new; /usr/bin/busybox mount -t tmpfs none /old`)
	var status bytes.Buffer
	if err := w.Run(t.Context(), Streams{Out: &status}, "/usr/bin/cat", "/proc/self/status"); err != nil {
		t.Fatal(err)
	}
	// linux/capability.h: CAP_SYS_MODULE 16, CAP_SYS_RAWIO 17, CAP_SYS_BOOT 22, CAP_SYS_TIME 25, CAP_MKNOD 27.
	const without = 1<<16 | 1<<17 | 1<<22 | 1<<25 | 1<<27
	_, after, _ := strings.Cut(status.String(), "CapEff:")
	var has uint64
	if n, err := fmt.Sscanf(after, "%x", &has); n != 1 || has == 0 || has&without != 0 {
		t.Errorf("a program has the capabilities %#x: %v", has, err)
	}
}

func TestStatus(t *testing.T) {
	w := open(t)
	err := w.Run(t.Context(), Streams{}, "/bin/sh", "-c", "exit 7")
	var failed *run.Error
	if !errors.As(err, &failed) || failed.ExitCode != 7 {
		t.Errorf("got %v, want exit status 7", err)
	}
}

// A build that is given up ends what runs in the tree, and what that has started.
func TestCancelled(t *testing.T) {
	w := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if err := w.Run(ctx, Streams{}, "/bin/sh", "-c", "sleep 1000 & sleep 1000"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s to end", took)
	}
	links, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(links, func(l string) bool { at, err := os.Readlink(l); return err == nil && strings.HasPrefix(at, w.dir) }) {
		t.Error("a program of the tree runs on")
	}
}

func TestPassing(t *testing.T) {
	for path, want := range map[string]bool{
		"/tmp/x": true, "/tmp": false, "/etc/machine-id": true, "/usr/lib/python3/__pycache__/x.pyc": true,
		"/etc/passwd": false, "/var/lib/apt/lists/x": true, "/var/lib/apt": false, "/usr/share/doc": false,
	} {
		if got := passing(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestParseList(t *testing.T) {
	if _, err := parseList("a\x00b\x00"); err == nil {
		t.Error("half a line was taken")
	}
	got, err := parseList("etc/a\x00f\x001\x00644\x000\x000\x005\x001.5\x00\x00tmp/b\x00f\x001\x00644\x000\x000\x005\x001.5\x00\x00")
	if err != nil || len(got) != 1 || got["/etc/a"].mode != "644" {
		t.Errorf("got %v, %v", got, err)
	}
}
