package lock

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
)

// TestMakeFromHost locks a shipped cluster from the mirror of this machine,
// where it has one that answers.
func TestMakeFromHost(t *testing.T) {
	need.Tool(t, "apt-get")
	c, _, err := cluster.Load(filepath.Join("..", "..", "clusters", "lab", "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	state, err := Open(t.Context(), dir, c, run.Exec{}, os.Environ())
	if err != nil {
		t.Skipf("apt of this machine has no Debian mirror: %v", err)
	}
	if err := state.Update(t.Context()); err != nil {
		t.Skipf("no Debian mirror answers: %v", err)
	}
	for _, release := range []int{13, 12} {
		c.Def.Image.Debian = release
		l, err := Make(t.Context(), c, Options{Runner: run.Exec{}, Environ: os.Environ()})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(l.Debian.Packages); n < 120 || n > 260 {
			t.Errorf("Debian %d: %d packages", release, n)
		}
		for _, name := range []string{"libc6", "dpkg", "systemd", "tinc"} {
			if l.versions()[name] == "" {
				t.Errorf("Debian %d: no %s", release, name)
			}
		}
		for _, name := range []string{"initramfs-tools", "apt", "python3"} {
			if v := l.versions()[name]; v != "" {
				t.Errorf("Debian %d: %s %s is there", release, name, v)
			}
		}
		if _, err := Parse("lock.yaml", l.Encode()); err != nil {
			t.Error(err)
		}
	}
}
