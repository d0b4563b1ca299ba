package node_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

// Clocks of the tests: the image is made, then the certificates, then a
// machine boots.
var (
	imageTime = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	issueTime = imageTime.Add(time.Hour)
	bootTime  = issueTime.Add(time.Hour)
)

// world is a cluster with the keys of all its nodes, from a real store.
type world struct {
	cluster  *cluster.Cluster
	material map[string]*pki.Material
	public   *pki.Public
}

// worlds has the cluster of the tests, one of another name, and one of the
// same name with other keys: keys cost time.
var worlds = sync.OnceValues(func() (map[string]*world, error) {
	text, err := os.ReadFile("../clusters/lab/cluster.yaml")
	if err != nil {
		return nil, err
	}
	// With a worker, whose certificates are fewer than a controller's, and a
	// name with a hyphen, which tinc knows no hyphen for.
	lab := strings.Replace(string(text), "spares: 1", "  - {name: edge-0, roles: [edge], zone: a}\nspares: 1", 1)
	made := map[string]*world{}
	for name, text := range map[string]string{"lab": lab, "again": lab, "east": strings.ReplaceAll(lab, "lab", "east")} {
		if made[name], err = newWorld(text); err != nil {
			return nil, fmt.Errorf("world %s: %w", name, err)
		}
	}
	return made, nil
})

func newWorld(text string) (*world, error) {
	dir, err := os.MkdirTemp("", "ingot-node-test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is all in memory by then
	file := filepath.Join(dir, "cluster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	c, report, err := cluster.Load(file)
	if err != nil {
		return nil, err
	}
	if report.HasErrors() {
		return nil, report.Err()
	}
	store, err := pki.Open(c, pki.Options{ConfigDir: filepath.Join(dir, "config"), Now: issueTime})
	if err != nil {
		return nil, err
	}
	if _, err := store.Ensure(context.Background(), pki.EnsureOptions{}); err != nil {
		return nil, err
	}
	w := &world{cluster: c, material: map[string]*pki.Material{}}
	for i := range c.Nodes {
		name := c.Nodes[i].Name
		if w.material[name], err = store.Material(name); err != nil {
			return nil, err
		}
	}
	w.public, err = store.Public()
	return w, err
}

func worldOf(t testing.TB, name string) *world {
	t.Helper()
	all, err := worlds()
	if err != nil {
		t.Fatal(err)
	}
	return all[name]
}

func (w *world) identity(t testing.TB, name string) *ignition.Identity {
	t.Helper()
	n, ok := w.cluster.Node(name)
	if !ok {
		t.Fatalf("no node %q", name)
	}
	id, err := ignition.New(w.cluster, n, w.material[name], w.public.MeshKeys)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// bake writes the files of an image into a folder, and those of the kernel that
// say where it runs.
func (w *world) bake(t testing.TB, root string, edit func(*clusterjson.Cluster)) {
	t.Helper()
	c, err := identity.Facts(w.cluster, w.public)
	must(t, err)
	if edit != nil {
		edit(&c)
	}
	data, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, clusterjson.Path, 0o644, data)
	for a, text := range w.public.CAs {
		write(t, root, identity.AuthorityPath(a), 0o644, text)
	}
	if err := os.Chtimes(filepath.Join(root, clusterjson.Path), imageTime, imageTime); err != nil {
		t.Fatal(err)
	}
	write(t, root, "/usr/lib/os-release", 0o644, []byte("ID=ingot\nIMAGE_ID=\"lab\"\nIMAGE_VERSION=\"0a1b2c3d\"\n"))
	write(t, root, "/proc/uptime", 0o644, []byte("23.41 40.20\n"))
	write(t, root, "/sys/class/tty/console/active", 0o644, []byte("tty0 ttyS0\n"))
	write(t, root, "/dev/tty0", 0o600, nil)
	write(t, root, "/dev/ttyS0", 0o600, nil)
	write(t, root, "/etc/hostname", 0o644, []byte("localhost\n"))
	passwd := "root:x:0:0:root:/root:/bin/sh\n"
	if u, err := user.Lookup("etcd"); err == nil {
		passwd += "etcd:x:" + u.Uid + ":" + u.Gid + "::/:/bin/false\n"
	}
	write(t, root, "/etc/passwd", 0o644, []byte(passwd))
}

// pinned puts an identity where provisioning puts it, not unpacked yet.
func pinned(t testing.TB, root string, id *ignition.Identity) {
	t.Helper()
	bundle, err := id.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../ignition/unpack.sh")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(bundle)
	write(t, root, "/etc/ingot/identity.bundle", 0o600, bundle)
	write(t, root, "/etc/ingot/identity.sha256", 0o644, []byte(hex.EncodeToString(sum[:])+"  identity.bundle\n"))
	write(t, root, "/etc/ingot/unpack", 0o755, script)
}

// unpack runs the real unpacker.
func unpack(t testing.TB, root string) {
	t.Helper()
	cmd := exec.Command(need.Tool(t, "dash"), filepath.Join(root, "etc/ingot/unpack"))
	cmd.Env = append(os.Environ(), "INGOT_ROOT="+root)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("unpacking: %v: %s", err, out)
	}
}

// machines keeps a machine of each node to copy.
var machines = struct {
	sync.Mutex
	dirs map[string]string
}{dirs: map[string]string{}}

// machine is a folder with the image of the lab and the unpacked identity of a
// node of a world.
func machine(t testing.TB, of, name string) string {
	t.Helper()
	root := t.TempDir()
	w := worldOf(t, of)
	worldOf(t, "lab").bake(t, root, nil)
	pinned(t, root, w.identity(t, name))
	unpack(t, root)
	return root
}

// labMachine is a copy of the machine of a node of the lab.
func labMachine(t testing.TB, parent testing.TB, name string) string {
	t.Helper()
	machines.Lock()
	defer machines.Unlock()
	if machines.dirs[name] == "" {
		machines.dirs[name] = machine(parent, "lab", name)
		parent.Cleanup(func() { delete(machines.dirs, name) })
	}
	root := t.TempDir()
	copyTree(t, machines.dirs[name], root)
	return root
}

// copyTree copies files with modes, owners and times.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o600); err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		if err := os.Lchown(target, int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
		if err := os.Chmod(target, info.Mode()); err != nil {
			return err
		}
		return os.Chtimes(target, info.ModTime(), info.ModTime())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, root, path string, mode fs.FileMode, data []byte) {
	t.Helper()
	target := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(target, mode); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, root, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// secretForms are pieces of all private keys of a machine, in the forms in
// which they could come out: lines of PEM, and DER in hexadecimal digits.
func secretForms(t testing.TB, root string) []string {
	t.Helper()
	var forms []string
	err := filepath.WalkDir(filepath.Join(root, "etc"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
				continue
			}
			for line := range strings.Lines(string(pem.EncodeToMemory(block))) {
				if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") {
					forms = append(forms, line[len(line)-20:])
				}
			}
			middle := len(block.Bytes) / 2
			forms = append(forms, hex.EncodeToString(block.Bytes[middle:middle+10]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if encryption := filepath.Join(root, "etc/kubernetes/encryption.yaml"); exists(encryption) {
		_, text, _ := strings.Cut(readFile(t, root, "/etc/kubernetes/encryption.yaml"), "secret: ")
		if secret, _, _ := strings.Cut(text, "\n"); len(secret) > 20 {
			forms = append(forms, secret[:20])
		}
	}
	return forms
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
