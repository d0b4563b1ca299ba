package ignition_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
)

// shells are the shells that the scripts run with on the systems they are for,
// and the tools: of GNU, or of busybox alone.
func shells(t *testing.T) map[string]shell {
	t.Helper()
	box := need.Tool(t, "busybox")
	tools := t.TempDir()
	out, err := exec.Command(box, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		if err := os.Symlink(box, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]shell{
		"dash":    {argv: []string{need.Tool(t, "dash")}, path: os.Getenv("PATH")},
		"bash":    {argv: []string{need.Tool(t, "bash"), "--posix"}, path: os.Getenv("PATH")},
		"busybox": {argv: []string{box, "sh"}, path: tools},
	}
}

type shell struct {
	argv []string
	path string
}

// run runs a script over a folder in place of /, and returns what it said.
func (s shell) run(t *testing.T, root, script string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	argv := append(append(append([]string{}, s.argv...), filepath.Join(root, script)), args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=" + s.path, "INGOT_ROOT=" + root}
	out, err := cmd.CombinedOutput()
	if left, globErr := filepath.Glob(filepath.Join(root, "run/ingot/*.??????")); globErr != nil || len(left) > 0 {
		t.Errorf("it left %q behind (%v)", left, globErr)
	}
	return string(out), err
}

// install writes what a tool would write by itself: an early file each.
func install(t testing.TB, root string, files []ignition.File) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
}

// machine is a folder with an identity on it that is not unpacked yet.
func machine(t testing.TB, id *ignition.Identity, inline bool) string {
	t.Helper()
	root := t.TempDir()
	files, err := ignition.Envelope(id, inline)
	if err != nil {
		t.Fatal(err)
	}
	install(t, root, files)
	return root
}

// checkUnpacked compares what is in a folder to what a bundle has.
func checkUnpacked(t testing.TB, root string, files []ignition.File) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(root, f.Path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(data, f.Data) {
			t.Errorf("%s has other content", f.Path)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != f.Mode {
			t.Errorf("%s has mode %v, want %v", f.Path, info.Mode(), f.Mode)
		}
		checkOwner(t, f, info)
	}
}

// checkOwner needs root: who else runs the test owns everything.
func checkOwner(t testing.TB, f ignition.File, info fs.FileInfo) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(f.Owner, "?"), ":")
	want := "0"
	if u, err := user.Lookup(name); err == nil {
		want = u.Uid
	} else if !strings.HasPrefix(f.Owner, "?") {
		t.Errorf("%s is for %q, who is not on this machine", f.Path, f.Owner)
	}
	if got := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)); got != want {
		t.Errorf("%s belongs to %s, want %s (%s)", f.Path, got, want, f.Owner)
	}
}

// tree lists everything in a folder, but what is to be skipped, with type,
// mode and content.
func tree(t testing.TB, root string, skip ...func(path string) bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, f := range skip {
			if f(rel) && d.IsDir() {
				return fs.SkipDir
			} else if f(rel) {
				return nil
			}
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		entry := info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			entry += " " + hex.EncodeToString(sum[:8])
		}
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			entry += " to " + target
		}
		out[rel] = entry
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const unpack = "etc/ingot/unpack"

func TestUnpack(t *testing.T) {
	id := shipped(t, "prod").identity(t, "master0")
	odd := oddIdentity()
	id.Files = append(id.Files, odd.Files...)
	for name, sh := range shells(t) {
		t.Run(name, func(t *testing.T) {
			root := machine(t, id, true)
			said, err := sh.run(t, root, unpack)
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			checkUnpacked(t, root, bundled(id))
			if !strings.Contains(said, strconv.Itoa(len(bundled(id)))+" files unpacked") {
				t.Errorf("it said %q", said)
			}
			if _, err := os.Lstat(filepath.Join(root, "etc/ingot/identity.bundle")); err == nil {
				t.Error("the bundle is still there")
			}
			before := tree(t, root)
			if said, err = sh.run(t, root, unpack); err != nil || said != "" {
				t.Errorf("the second run: %v, said %q", err, said)
			}
			if after := tree(t, root); len(before) != len(after) {
				t.Error("the second run changed something")
			}
		})
	}
}

// A machine that stays gets a new bundle by the script's argument: what is not
// in it any more goes, and the next boot changes nothing.
func TestUnpackRenewal(t *testing.T) {
	w := shipped(t, "prod")
	sh := shells(t)["dash"]
	old := w.identity(t, "master0")
	root := machine(t, old, true)
	if said, err := sh.run(t, root, unpack); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	install(t, root, []ignition.File{{Path: "/etc/kubernetes/pki/theirs.key", Mode: 0o600, Data: []byte("x")}})

	renewed := w.identity(t, "worker9")
	data, err := renewed.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "new.bundle")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := sh.run(t, root, unpack, path); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	checkUnpacked(t, root, bundled(renewed))
	for path, want := range map[string]bool{
		"etc/kubernetes/pki/apiserver.key": false, "etc/etcd/etcd.env": false, "etc/kubernetes/encryption.yaml": false,
		"etc/kubernetes/pki/theirs.key": true, "etc/hostname": true,
	} {
		if _, err := os.Lstat(filepath.Join(root, path)); (err == nil) != want {
			t.Errorf("%s: got %v, want it there: %v", path, err, want)
		}
	}
	if said, err := sh.run(t, root, unpack); err != nil || said != "" {
		t.Errorf("the next boot: %v, said %q", err, said)
	}
}

// Ended at any moment, the next run does the whole work.
func TestUnpackInterrupted(t *testing.T) {
	id := shipped(t, "prod").identity(t, "edge0")
	sh := shells(t)["dash"]
	for _, delay := range []time.Duration{5, 20, 40, 60, 80, 120} {
		root := machine(t, id, true)
		cmd := exec.Command(sh.argv[0], filepath.Join(root, unpack))
		cmd.Env = []string{"PATH=" + sh.path, "INGOT_ROOT=" + root}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay * time.Millisecond)
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
		time.Sleep(50 * time.Millisecond) // what it had started
		if err := os.RemoveAll(filepath.Join(root, "run")); err != nil {
			t.Fatal(err)
		}
		if said, err := sh.run(t, root, unpack); err != nil {
			t.Fatalf("after %v: %v: %s", delay, err, said)
		}
		checkUnpacked(t, root, bundled(id))
	}
}

func TestUnpackRefuses(t *testing.T) {
	all := shells(t)
	id := shipped(t, "prod").identity(t, "worker9")
	put := func(path, content string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			install(t, root, []ignition.File{{Path: path, Mode: 0o644, Data: []byte(content)}})
		}
	}
	remove := func(path string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			if err := os.Remove(filepath.Join(root, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		spoil func(*testing.T, string)
		want  string
	}{
		"other bundle":                {put("/etc/ingot/identity.bundle", "other"), "is not the bundle that"},
		"no bundle":                   {remove("etc/ingot/identity.bundle"), "there is no bundle"},
		"no pin":                      {remove("etc/ingot/identity.sha256"), "without it no bundle is trusted"},
		"folder":                      {put("/etc/kubernetes/pki/ca.crt/x", ""), "/etc/kubernetes/pki/ca.crt is a folder"},
		"file in the way of a folder": {put("/etc/tinc", ""), "Not a directory"},
	} {
		for shellName, sh := range all {
			t.Run(name+"/"+shellName, func(t *testing.T) {
				root := machine(t, id, true)
				tc.spoil(t, root)
				said, err := sh.run(t, root, unpack)
				if err == nil || !strings.Contains(said, tc.want) {
					t.Errorf("got %v, said %q, want it to say %q", err, said, tc.want)
				}
				if _, err := os.Lstat(filepath.Join(root, "etc/ingot/identity.applied")); err == nil {
					t.Error("it says that the identity is applied")
				}
				if left, err := filepath.Glob(filepath.Join(root, "etc/*/*/.ingot-identity*")); err != nil || len(left) > 0 {
					t.Errorf("it left %q behind (%v)", left, err)
				}
			})
		}
	}
}

// What the unpacker is given as its argument is checked as well as it can be.
func TestUnpackDamaged(t *testing.T) {
	all := shells(t)
	id := shipped(t, "prod").identity(t, "worker9")
	good, err := id.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	pack := func(s string) []byte { return gz(t, s) }
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"cut off":   {good[:len(good)/2], "damaged: not gzip"},
		"not gzip":  {[]byte("ingot-identity 1\nend\n"), "damaged: not gzip"},
		"version":   {pack("ingot-identity 2\nend\n"), "later version"},
		"no end":    {pack("ingot-identity 1\nf 644 root:root /etc/x\nt 3\nabc"), "damaged"},
		"too short": {pack("ingot-identity 1\nf 644 root:root /etc/x\nt 5\nend\nabc"), "damaged: its size"},
		"too long":  {pack("ingot-identity 1\nf 644 root:root /etc/x\nt 2\nend\nabc"), "damaged: its size"},
		"outside":   {pack("ingot-identity 1\nf 644 root:root /etc/../../x\nt 3\nend\nabc"), "damaged: path /etc/../../x"},
		"relative":  {pack("ingot-identity 1\nf 644 root:root x\nt 3\nend\nabc"), "damaged: path x"},
		"owner":     {pack("ingot-identity 1\nf 644 nobodyknows:root /etc/x\nt 3\nend\nabc"), "no such user"},
	} {
		for shellName, sh := range all {
			t.Run(name+"/"+shellName, func(t *testing.T) {
				if name == "owner" {
					need.Root(t)
				}
				root := machine(t, id, false)
				path := filepath.Join(t.TempDir(), "bundle")
				if err := os.WriteFile(path, tc.data, 0o600); err != nil {
					t.Fatal(err)
				}
				before := tree(t, root)
				said, err := sh.run(t, root, unpack, path)
				if err == nil || !strings.Contains(said, tc.want) {
					t.Errorf("got %v, said %q, want it to say %q", err, said, tc.want)
				}
				if err := os.RemoveAll(filepath.Join(root, "run")); err != nil {
					t.Fatal(err)
				}
				if after := tree(t, root); len(after) != len(before) {
					t.Errorf("it put something in place: %v", after)
				}
			})
		}
	}
}

func TestScripts(t *testing.T) {
	lint := need.Tool(t, "shellcheck")
	root := machine(t, shipped(t, "prod").identity(t, "worker9"), false)
	for _, script := range []string{"unpack.sh", "fetch.sh", filepath.Join(root, unpack), filepath.Join(root, "etc/ingot/fetch")} {
		if out, err := exec.Command(lint, "--shell=sh", "--enable=quote-safe-variables", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
		}
	}
}
