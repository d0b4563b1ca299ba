package tree

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
	"golang.org/x/sys/unix"
)

func squashOptions() SquashOptions { return RootSquash(date, os.Getenv("PATH")) }

// squash packs the tree of the small base.
func squash(t *testing.T, o SquashOptions) (file string, x *Index) {
	t.Helper()
	need.Tool(t, "mksquashfs")
	file = filepath.Join(t.TempDir(), "root.squashfs")
	err := Squash(t.Context(), run.Exec{}, file, o, func(w io.Writer) (err error) {
		x, err = Root(t.Context(), w, rootOptions(t))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return file, x
}

func TestSquashCommand(t *testing.T) {
	got := SquashOptions{Date: time.Unix(42, 0), Level: 3, Block: 4096, Path: "/bin", Processors: 2}.command(nil, "/x/root")
	want := run.Command{
		Argv: strings.Fields("mksquashfs - /x/root -tar -quiet -no-progress -exit-on-error -noappend -reproducible -comp zstd " +
			"-Xcompression-level 3 -b 4096 -root-mode 0755 -root-uid 0 -root-gid 0 -mem 512M -processors 2"),
		Env: []string{"PATH=/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "SOURCE_DATE_EPOCH=42"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	argv := strings.Join(SquashOptions{Level: 3, Block: 4096, Unprivileged: true}.command(nil, "/x/root").Argv, " ")
	if !strings.HasPrefix(argv, "unshare --map-root-user mksquashfs - /x/root -tar ") {
		t.Errorf("without privileges: %s", argv)
	}
}

// asNobody runs programs as a user who owns nothing.
type asNobody struct{ setpriv string }

func (n asNobody) Run(ctx context.Context, c run.Command) error {
	c.Argv = append([]string{n.setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"}, c.Argv...)
	return run.Exec{}.Run(ctx, c)
}

// TestSquashAsUser: whoever packs a tree, its bytes are the same.
func TestSquashAsUser(t *testing.T) {
	need.Root(t)
	runner := asNobody{need.Tool(t, "setpriv")}
	need.Tool(t, "unshare")
	root, _ := squash(t, squashOptions())
	want, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "root.squashfs")
	o := squashOptions()
	o.Unprivileged = true
	err = Squash(t.Context(), runner, file, o, func(w io.Writer) error {
		_, err := Root(t.Context(), w, rootOptions(t))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("packed by a user, it is not the same, %v", err)
	}
}

// TestSquashIsTheTree has unsquashfs list the file system, and compares every
// line with the index.
func TestSquashIsTheTree(t *testing.T) {
	unsquashfs := need.Tool(t, "unsquashfs")
	file, x := squash(t, squashOptions())
	cmd := exec.Command(unsquashfs, "-llnumeric", "-d", "", file)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, n := range x.Nodes {
		mode := fs.FileMode(n.Mode & 0o777).String()[1:]
		kind := map[Kind]string{KindFile: "-", KindFolder: "d", KindLink: "l"}[n.Kind]
		fmt.Fprintf(&want, "%s%s %d/%d %s", kind, special(mode, n.Mode), n.UID, n.GID, strings.TrimSuffix(n.Path, "/"))
		if n.Target != "" {
			fmt.Fprintf(&want, " -> %s", n.Target)
		}
		want.WriteString("\n")
	}
	var got strings.Builder
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		// mode owner size date time path
		f := strings.Fields(lines.Text())
		if len(f) < 5 {
			continue
		}
		at := strings.Index(lines.Text(), f[4]) + len(f[4]) + 1
		fmt.Fprintf(&got, "%s %s %s\n", f[0], f[1], lines.Text()[min(at, len(lines.Text())):])
		if stamp := f[3] + " " + f[4]; stamp > "2026-11-20 02:11" {
			t.Errorf("a time after the lock's: %s", lines.Text())
		}
	}
	if diff := cmp.Diff(sorted(want.String()), sorted(got.String())); diff != "" {
		t.Errorf("(-index +file system):\n%s", diff)
	}
}

func sorted(text string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(text) {
		out[line] = true
	}
	return out
}

// special writes setuid, setgid and sticky into rwxrwxrwx.
func special(mode string, bits uint32) string {
	b := []byte(mode)
	for _, s := range []struct {
		bit uint32
		at  int
		c   byte
	}{{0o4000, 2, 's'}, {0o2000, 5, 's'}, {0o1000, 8, 't'}} {
		if bits&s.bit == 0 {
			continue
		}
		if b[s.at] == 'x' {
			b[s.at] = s.c
		} else {
			b[s.at] = s.c - 'a' + 'A'
		}
	}
	return string(b)
}

// TestSquashKeepsContents unpacks the file system and compares every file with
// its hash, and the capability with what it was.
func TestSquashKeepsContents(t *testing.T) {
	need.Root(t)
	unsquashfs := need.Tool(t, "unsquashfs")
	file, x := squash(t, squashOptions())
	dir := filepath.Join(t.TempDir(), "root")
	if out, err := exec.Command(unsquashfs, "-no-progress", "-d", dir, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, n := range x.Nodes {
		if n.Kind != KindFile {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, n.Path))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != n.SHA256 || int64(len(data)) != n.Size {
			t.Errorf("%s has another content", n.Path)
		}
	}
	got := make([]byte, 64)
	n, err := unix.Lgetxattr(filepath.Join(dir, "usr/bin/ping"), "security.capability", got)
	if err != nil || string(got[:n]) != netRaw {
		t.Errorf("capability of ping: %q, %v", got[:max(n, 0)], err)
	}
}

// TestSquashSame packs the tree again with what must not matter changed.
func TestSquashSame(t *testing.T) {
	file, _ := squash(t, squashOptions())
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	t.Setenv("TZ", "Asia/Tokyo")
	t.Setenv("LC_ALL", "C")
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	time.Sleep(1100 * time.Millisecond) // another second, which mksquashfs would write
	o := squashOptions()
	o.Processors = 1
	again, _ := squash(t, o)
	got, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("the file systems differ")
	}
	if info, err := os.Stat(again); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestSquashFails(t *testing.T) {
	need.Tool(t, "mksquashfs")
	broken := errors.New("the source is broken")
	dir := t.TempDir()
	file := filepath.Join(dir, "root")
	ctx, cancel := context.WithCancel(t.Context())
	for name, tt := range map[string]struct {
		o     SquashOptions
		write func(w io.Writer) error
		want  string
	}{
		"source":  {squashOptions(), func(w io.Writer) error { _, _ = w.Write(make([]byte, 5000)); return broken }, "the source is broken"},
		"program": {SquashOptions{Level: 99, Block: 4096, Path: os.Getenv("PATH")}, endless, `running "mksquashfs": exit status 1`},
		"cancelled": {squashOptions(), func(w io.Writer) error {
			cancel()
			return endless(w)
		}, "context canceled"},
	} {
		c := t.Context()
		if name == "cancelled" {
			c = ctx
		}
		err := Squash(c, run.Exec{}, file, tt.o, tt.write)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got  %v\nwant %s", name, err, tt.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v %v", name, left, err)
		}
	}
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := Squash(t.Context(), run.Exec{}, file, squashOptions(), endless)
	if data, _ := os.ReadFile(file); !errors.Is(err, fs.ErrExist) || string(data) != "mine" {
		t.Errorf("over a file that was there: %v, %q", err, data)
	}
}

// endless writes until nobody reads.
func endless(w io.Writer) error {
	for {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			return err
		}
	}
}
