package ignition_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node"
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
	// As services of systemd have it (systemd.exec(5), "IgnoreSIGPIPE=").
	env := []string{need.Tool(t, "env"), "--ignore-signal=PIPE"}
	return map[string]shell{
		"dash":    {argv: append(env[:2:2], need.Tool(t, "dash")), path: os.Getenv("PATH")},
		"bash":    {argv: append(env[:2:2], need.Tool(t, "bash"), "--posix"), path: os.Getenv("PATH")},
		"busybox": {argv: append(env[:2:2], box, "sh"), path: tools},
	}
}

// unpackers are all that unpack identities: the script by each shell, and
// ingot-node, which must do the same.
func unpackers(t *testing.T) map[string]shell {
	t.Helper()
	all := shells(t)
	all["ingot-node"] = native(t)
	return all
}

// native is ingot-node in place of the script.
func native(t *testing.T) shell {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return shell{argv: []string{self, "unpack"}, path: os.Getenv("PATH"), native: true}
}

// asNode has the test's own program be ingot-node.
const asNode = "INGOT_TEST_AS_NODE"

func TestMain(m *testing.M) {
	if os.Getenv(asNode) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	machine := node.Machine{Runner: run.Exec{}}
	status := machine.Run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	stop()
	os.Exit(status)
}

type shell struct {
	argv   []string
	path   string
	native bool
}

// command is a script over a folder in place of /.
func (s shell) command(root, script string, args ...string) *exec.Cmd {
	argv := append([]string{}, s.argv...)
	if s.native {
		argv = append(argv, "--root", root)
	} else {
		argv = append(argv, filepath.Join(root, script))
	}
	cmd := exec.Command(argv[0], append(argv[1:], args...)...)
	cmd.Env = []string{"PATH=" + s.path, "INGOT_ROOT=" + root, asNode + "=1"}
	return cmd
}

// run runs a script to its end, and returns what it said.
func (s shell) run(t *testing.T, root, script string, args ...string) (string, error) {
	t.Helper()
	cmd := s.command(root, script, args...)
	tooLong := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // it ends with an error then
	defer tooLong.Stop()
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
	for name, sh := range unpackers(t) {
		t.Run(name, func(t *testing.T) {
			root := machine(t, id, true)
			said, err := sh.run(t, root, unpack)
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			checkUnpacked(t, root, bundled(id))
			if want := fmt.Sprintf("ingot-identity: %d files unpacked\n", len(bundled(id))); said != want {
				t.Errorf("it said %q, want %q", said, want)
			}
			if _, err := os.Lstat(filepath.Join(root, "etc/ingot/identity.bundle")); err == nil {
				t.Error("the bundle is still there")
			}
			before := tree(t, root)
			if said, err = sh.run(t, root, unpack); err != nil || said != "" {
				t.Errorf("the second run: %v, said %q", err, said)
			}
			if after := tree(t, root); !maps.Equal(before, after) {
				t.Error("the second run changed something")
			}
		})
	}
}

// A machine that stays gets a new bundle by the script's argument: what is not
// in it any more goes, and the next boot changes nothing.
func TestUnpackRenewal(t *testing.T) {
	w := shipped(t, "prod")
	for name, sh := range map[string]shell{"dash": shells(t)["dash"], "ingot-node": native(t)} {
		t.Run(name, func(t *testing.T) { renew(t, w, sh) })
	}
}

func renew(t *testing.T, w *world, sh shell) {
	t.Helper()
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

func TestScripts(t *testing.T) {
	lint := need.Tool(t, "shellcheck")
	root := machine(t, shipped(t, "prod").identity(t, "worker9"), false)
	for _, script := range []string{"unpack.sh", "fetch.sh", filepath.Join(root, unpack), filepath.Join(root, "etc/ingot/fetch")} {
		if out, err := exec.Command(lint, "--shell=sh", "--enable=quote-safe-variables", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
		}
	}
}
