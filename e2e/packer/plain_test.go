package packer_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
	"golang.org/x/crypto/ssh"
)

// plainPackages are what a plain Debian has that can be logged in to. What they
// need is there, too.
const plainPackages = "apt,dbus,dracut,iproute2,kmod,linux-image-cloud-amd64,mount,openssh-server,passwd,procps,sudo,systemd-sysv,udev"

// plainSize is the disk's size in bytes: room for a node.
const plainSize = 6 << 30

// plain is a disk with a Debian on it, all of it one writable file system, and
// what it is started with.
type plain struct{ disk, kernel, initrd string }

// plainDebian makes one of the packages of a cluster's lock, or takes that of
// the last run.
func plainDebian(t *testing.T, v *variant.Variant, key ssh.PublicKey) plain {
	t.Helper()
	need.Root(t)
	for _, program := range []string{"mmdebstrap", "apt-ftparchive", "mkfs.ext4"} {
		need.Tool(t, program)
	}
	locked, err := lock.Load(filepath.Dir(v.Definition()))
	check(t, err)
	script, err := filepath.Abs("testdata/plain.sh")
	check(t, err)
	text, err := os.ReadFile(script)
	check(t, err)
	login := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	dir := v.Path(fmt.Sprintf("plain-%.12x", sha256.Sum256([]byte(string(locked.Encode())+string(text)+login+plainPackages))))
	p := plain{disk: filepath.Join(dir, "disk.raw"), kernel: filepath.Join(dir, "vmlinuz"), initrd: filepath.Join(dir, "initrd")}
	if _, err := os.Stat(dir); err == nil {
		return p
	}
	old, err := filepath.Glob(v.Path("plain-*"))
	check(t, err)
	for _, path := range old {
		check(t, os.RemoveAll(path))
	}
	archive := archive(t, v, locked)
	tree, made := filepath.Join(t.TempDir(), "tree"), dir+".part"
	check(t, os.RemoveAll(made))
	check(t, os.MkdirAll(made, 0o755))
	execute(t, run.Command{
		Argv: []string{
			"mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "--format=directory", "--include=" + plainPackages,
			`--aptopt=APT::Install-Recommends "false"`, "--dpkgopt=force-unsafe-io", "--customize-hook=" + script,
			"trixie", tree, "deb [trusted=yes] copy:" + archive + " trixie main",
		},
		Env: []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "INITRD=No", "PLAIN_KEY=" + login},
	})
	for name, from := range map[string]string{"vmlinuz": "boot/vmlinuz", "initrd": "boot/initrd.img"} {
		check(t, os.Rename(filepath.Join(tree, from), filepath.Join(made, name)))
	}
	disk := filepath.Join(made, "disk.raw")
	check(t, os.WriteFile(disk, nil, 0o600))
	check(t, os.Truncate(disk, plainSize))
	execute(t, run.Command{Argv: []string{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", "-d", tree, disk}, Env: os.Environ()})
	check(t, os.Rename(made, dir))
	return p
}

// archive is a Debian archive of all packages of a lock.
func archive(t *testing.T, v *variant.Variant, locked *lock.Lock) string {
	t.Helper()
	c, _, err := cluster.Load(v.Definition())
	check(t, err)
	dir, err := fetch.DefaultDir()
	check(t, err)
	cache, err := fetch.OpenCache(dir)
	check(t, err)
	store, err := step.Open(cache)
	check(t, err)
	defer func() { _ = store.Close() }() // it only unlocks
	out := t.TempDir()
	check(t, builder.Archive(t.Context(), builder.Config{
		Cluster: c, Lock: locked, Store: store, Runner: run.Exec{}, Environ: os.Environ(), Now: time.Now,
	}, out))
	return out
}

func execute(t *testing.T, c run.Command) {
	t.Helper()
	check(t, run.Exec{}.Run(t.Context(), c))
}
