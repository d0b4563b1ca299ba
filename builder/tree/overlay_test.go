package tree

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
	"golang.org/x/sys/unix"
)

// TestOverlay mounts both trees as a machine does, and looks at the one that
// is seen there: folders are as in the root, and files of both are there.
func TestOverlay(t *testing.T) {
	need.Root(t)
	mount, umount := need.Tool(t, "mount"), need.Tool(t, "umount")
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("needs loop devices")
	}
	lower, x := squash(t, squashOptions())
	upper := filepath.Join(t.TempDir(), "cluster.squashfs")
	o := clusterOptions(t, demo())
	err := Squash(t.Context(), run.Exec{}, upper, ClusterSquash(date, os.Getenv("PATH")), func(w io.Writer) error {
		_, err := Cluster(t.Context(), w, o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string, args ...string) string {
		t.Helper()
		target := filepath.Join(dir, name)
		if err := os.Mkdir(target, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(mount, append(args, target)...).CombinedOutput(); err != nil {
			t.Fatalf("mount: %v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command(umount, target).CombinedOutput(); err != nil {
				t.Errorf("umount: %v: %s", err, out)
			}
		})
		return target
	}
	low := at("root", "-t", "squashfs", "-o", "loop,ro", lower)
	up := at("cluster", "-t", "squashfs", "-o", "loop,ro", upper)
	both := at("both", "-t", "overlay", "-o", "ro,lowerdir="+up+":"+low, "overlay")

	for _, n := range x.Nodes {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(both, n.Path), &st); err != nil {
			t.Errorf("%s: %v", n.Path, err)
			continue
		}
		if st.Mode&0o7777 != n.Mode || int(st.Uid) != n.UID || int(st.Gid) != n.GID {
			t.Errorf("%s: mode %04o, owner %d:%d, in the root %04o, %d:%d", n.Path, st.Mode&0o7777, st.Uid, st.Gid, n.Mode, n.UID, n.GID)
		}
	}
	for p, want := range map[string]string{
		"usr/lib/systemd/system/x.target.wants/demo.service": "[Service]\n", // through a link
		"etc/secret/key.conf":                                "a\n",
		"etc/secret/x":                                       "x",
		"usr/share/doc/b/copyright":                          "ours\n", // through a link of the root
		"usr/share/factory/var/roothome/.profile":            "umask 022\n",
	} {
		if got, err := os.ReadFile(filepath.Join(both, p)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", p, got, err, want)
		}
	}
	if info, err := os.Lstat(filepath.Join(both, "etc/systemd/system/b.service")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the mask: %v, %v", info, err)
	}
}
