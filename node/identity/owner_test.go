package identity

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

func put(t *testing.T, root, path, text string) {
	t.Helper()
	target := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Keys belong to root, and etcd's may belong to the user etcd of the machine.
func TestOwners(t *testing.T) {
	need.Root(t)
	root := t.TempDir()
	put(t, root, "etc/passwd", "root:x:0:0::/:\netcd:x:801:801::/:\n")
	for path, uid := range map[string]int{
		"etc/etcd/pki/peer.key": 801, "etc/etcd/pki/server.key": 802,
		"etc/kubernetes/pki/sa.key": 801, "etc/kubernetes/pki/dns.key": 0,
	} {
		put(t, root, path, "")
		if err := os.Chown(filepath.Join(root, path), uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	c := &check{root: root}
	c.checkModes()
	want := []string{
		"/etc/kubernetes/pki/sa.key belongs to user 801, who could read and change it",
		"/etc/etcd/pki/server.key belongs to user 802, who could read and change it",
	}
	if !slices.Equal(c.Problems, want) || len(c.Warnings) > 0 {
		t.Errorf("got %q, %q; want %q", c.Problems, c.Warnings, want)
	}
}
