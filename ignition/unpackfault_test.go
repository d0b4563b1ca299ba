package ignition_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
)

// Ended at any moment, the next run does the whole work.
func TestUnpackInterrupted(t *testing.T) {
	id := shipped(t, "prod").identity(t, "edge0")
	sh := shells(t)["dash"]
	for _, delay := range []time.Duration{5, 20, 40, 60, 80, 120} {
		root := machine(t, id, true)
		cmd := sh.command(root, unpack)
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
		for path := range tree(t, root) {
			if strings.Contains(path, ".ingot-identity") || strings.HasSuffix(path, ".new") {
				t.Errorf("after %v: %s was left", delay, path)
			}
		}
	}
}

// A renewal that is ended leaves, after the next boot, the old identity or the
// new one, and never some files of each: a certificate would be without its key.
func TestUnpackRenewalInterrupted(t *testing.T) {
	w := shipped(t, "prod")
	sh := shells(t)["dash"]
	old, renewed := w.identity(t, "edge0"), w.identity(t, "worker9")
	data, err := renewed.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "new.bundle")
	if err := os.WriteFile(bundle, data, 0o600); err != nil {
		t.Fatal(err)
	}
	boot := func(root string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(root, "run")); err != nil {
			t.Fatal(err)
		}
		if said, err := sh.run(t, root, unpack); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	root := machine(t, old, true)
	boot(root)
	start := time.Now()
	if said, err := sh.run(t, root, unpack, bundle); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	whole, renewals := time.Since(start), 0
	for i := range 10 {
		delay := whole * time.Duration(i+1) / 10
		root := machine(t, old, true)
		boot(root)
		cmd := sh.command(root, unpack, bundle)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
		time.Sleep(50 * time.Millisecond) // what it had started
		boot(root)
		want := old
		if key, err := os.ReadFile(filepath.Join(root, "etc/kubernetes/pki/kubelet-client.key")); err != nil {
			t.Error(err)
		} else if !bytes.Equal(key, fileOf(t, old, "/etc/kubernetes/pki/kubelet-client.key")) {
			want, renewals = renewed, renewals+1
		}
		checkUnpacked(t, root, bundled(want))
		for path := range tree(t, root) {
			if strings.Contains(path, ".ingot-identity") || strings.Contains(path, "identity.bundle") || strings.HasSuffix(path, ".new") {
				t.Errorf("after %v: %s was left", delay, path)
			}
		}
	}
	if renewals == 0 {
		t.Error("no renewal came far enough")
	}
}

// fileOf is the content of a file of an identity.
func fileOf(t *testing.T, id *ignition.Identity, path string) []byte {
	t.Helper()
	for _, f := range id.Files {
		if f.Path == path {
			return f.Data
		}
	}
	t.Fatalf("%s has no %s", id.Node, path)
	return nil
}

// An image's ingot-node does the work of the script, wherever it is run.
func TestUnpackHandsOn(t *testing.T) {
	id := shipped(t, "prod").identity(t, "worker9")
	for name, sh := range shells(t) {
		t.Run(name, func(t *testing.T) {
			root := machine(t, id, true)
			program := filepath.Join(root, "usr/lib/ingot/bin/ingot-node")
			if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(native(t).argv[0], program); err != nil {
				t.Fatal(err)
			}
			if said, err := sh.run(t, root, unpack); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			checkUnpacked(t, root, bundled(id))
			// What only ingot-node says: it does what is to be done with a file, too.
			path := filepath.Join(t.TempDir(), "a bundle")
			if err := os.WriteFile(path, gz(t, "ingot-identity 2\nend\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if said, err := sh.run(t, root, unpack, path); err == nil || !strings.Contains(said, "a bundle is damaged: its first line") {
				t.Errorf("got %v, said %q", err, said)
			}
		})
	}
}

// Without root nothing can be put in place, and nothing is tried.
func TestUnpackNeedsRoot(t *testing.T) {
	cmd := exec.Command(need.Tool(t, "dash"), "unpack.sh")
	if os.Geteuid() == 0 {
		script, err := os.Open("unpack.sh") // who else runs it may not be able to read it here
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = script.Close() }() // only read
		cmd = exec.Command(need.Tool(t, "dash"))
		cmd.Stdin, cmd.Dir = script, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err == nil || string(out) != "ingot-identity: only root can do this\n" {
		t.Errorf("got %v, said %q", err, out)
	}
}

func TestUnpackRefuses(t *testing.T) {
	all := unpackers(t)
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
		"file in the way of a folder": {put("/etc/tinc", ""), "ot a directory"},
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
	all := unpackers(t)
	id := shipped(t, "prod").identity(t, "worker9")
	good, err := id.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	pack := func(s string) []byte { return gz(t, s) }
	for name, tc := range map[string]struct {
		data []byte
		want string // of the script
		node string // of ingot-node, which says more
	}{
		"empty":     {nil, "damaged: not gzip", "damaged: unpacking gzip: EOF"},
		"cut off":   {good[:len(good)/2], "damaged: not gzip", "damaged: unpacking gzip: unexpected EOF"},
		"not gzip":  {[]byte("ingot-identity 1\nend\n"), "damaged: not gzip", "damaged: unpacking gzip: "},
		"version":   {pack("ingot-identity 2\nend\n"), "later version", "damaged: its first line"},
		"no end":    {pack("ingot-identity 1\nf 644 root:root /etc/x\nt 3\nabc"), "damaged", "damaged: its manifest has no end"},
		"too short": {pack("ingot-identity 1\nf 644 root:root /etc/x\nt 5\nend\nabc"), "damaged: its size", "damaged: line 3 of its manifest"},
		"too long":  {pack("ingot-identity 1\nf 644 root:root /etc/x\nt 2\nend\nabc"), "damaged: its size", "damaged: 1 bytes after the last file"},
		"outside":   {pack("ingot-identity 1\nf 644 root:root /etc/../../x\nt 3\nend\nabc"), "damaged: path /etc/../../x", "damaged: line 2 of its manifest: the path"},
		"relative":  {pack("ingot-identity 1\nf 644 root:root x\nt 3\nend\nabc"), "damaged: path x", "damaged: line 2 of its manifest: the path"},
		"owner":     {pack("ingot-identity 1\nf 644 nobodyknows:root /etc/x\nt 3\nend\nabc"), "no such user", "no such user"},
		"group":     {pack("ingot-identity 1\nf 644 root:nobodyknows /etc/x\nt 3\nend\nabc"), "no such user", "no such user"},
	} {
		for shellName, sh := range all {
			t.Run(name+"/"+shellName, func(t *testing.T) {
				if name == "owner" || name == "group" {
					need.Root(t)
				}
				want := tc.want
				if sh.native {
					want = tc.node
				}
				root := machine(t, id, false)
				path := filepath.Join(t.TempDir(), "bundle")
				if err := os.WriteFile(path, tc.data, 0o600); err != nil {
					t.Fatal(err)
				}
				before := tree(t, root)
				said, err := sh.run(t, root, unpack, path)
				if err == nil || !strings.Contains(said, want) {
					t.Errorf("got %v, said %q, want it to say %q", err, said, want)
				}
				if err := os.RemoveAll(filepath.Join(root, "run")); err != nil {
					t.Fatal(err)
				}
				if after := tree(t, root); !maps.Equal(after, before) {
					t.Errorf("it changed something: %v", after)
				}
			})
		}
	}
}
