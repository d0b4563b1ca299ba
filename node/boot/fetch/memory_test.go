package fetch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/node/boot/fetch"
	"golang.org/x/sys/unix"
)

// The medium goes into a file system of its own, and a second program uses the
// one that is there.
func TestMount(t *testing.T) {
	need.Root(t)
	outer := t.TempDir()
	if err := unix.Mount("test", outer, "tmpfs", 0, "size=1m"); err != nil {
		need.Missing(t, "needs to mount: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(outer, 0)) })
	dir := filepath.Join(outer, "fetch")
	must(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	must(t, fetch.Mount(dir, 16<<20))
	file := filepath.Join(dir, "boot.iso")
	must(t, os.WriteFile(file, make([]byte, 8<<20), 0o600))
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("others may look in: %v", info.Mode())
	}
	must(t, fetch.Mount(dir, 16<<20))
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the second time something else is there: %v", err)
	}
	if err := os.WriteFile(file, make([]byte, 32<<20), 0o600); err == nil {
		t.Error("there is room for more than was asked for")
	}
}

func TestTooLittleMemory(t *testing.T) {
	err := fetch.Mount(t.TempDir(), 1<<50)
	if err == nil || !strings.Contains(err.Error(), "and needs 1125900443 MB") || !strings.Contains(err.Error(), "to start over the network") {
		t.Errorf("got %v", err)
	}
}
