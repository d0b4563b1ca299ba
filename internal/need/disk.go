package need

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// SmallDisk returns a folder on a file system of its own that holds about so
// many bytes, rounded up to pages, and then reports a full disk. It needs root.
func SmallDisk(t testing.TB, bytes int) string {
	t.Helper()
	Root(t)
	dir := t.TempDir()
	mount(t, dir, "-t", "tmpfs", "-o", "size="+strconv.Itoa(bytes)+",mode=0755", "tmpfs", dir)
	return dir
}

// ReadOnly makes an existing folder read-only until cleanup: by a mount as
// root, whom file modes do not stop, else by its mode.
func ReadOnly(t testing.TB, dir string) {
	t.Helper()
	if os.Geteuid() == 0 {
		mount(t, dir, "--bind", "-o", "ro", dir, dir)
		return
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(dir, info.Mode().Perm()); err != nil {
			t.Errorf("making a folder writable again: %v", err)
		}
	})
	if err := os.Chmod(dir, info.Mode().Perm()&^0o222); err != nil {
		t.Fatal(err)
	}
}

// mount runs mount(8) and undoes it at cleanup.
func mount(t testing.TB, dir string, args ...string) {
	t.Helper()
	umount := Tool(t, "umount")
	if out, err := exec.Command(Tool(t, "mount"), args...).CombinedOutput(); err != nil {
		missing(t, requireAll(), "needs to mount file systems: %s", strings.TrimSpace(string(out)))
	}
	t.Cleanup(func() {
		// Lazily: a program under test may still hold a file open.
		if out, err := exec.Command(umount, "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("unmounting %q: %v: %s", dir, err, out)
		}
	})
}
