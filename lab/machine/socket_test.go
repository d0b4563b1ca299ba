package machine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/lab/machine"
)

func TestShortSockets(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 60), strings.Repeat("y", 60))
	for _, dir := range []string{"m", "net", "other/deep"} {
		if err := os.MkdirAll(filepath.Join(long, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// What ".." is does not depend on the way in.
	if err := os.Symlink("other/deep", filepath.Join(long, "link")); err != nil {
		t.Fatal(err)
	}
	local := filepath.Join(long, "net", "a.vm")
	for dir, want := range map[string]string{"m": "../net/a.vm", "link": "../../net/a.vm"} {
		nets, err := machine.ShortSockets(filepath.Join(long, dir), []machine.Net{{Local: local, Remote: "/s/b"}})
		if err != nil || nets[0].Local != want || nets[0].Remote != "/s/b" {
			t.Errorf("%s: got %+v, %v, want %q", dir, nets, err, want)
		}
	}
	for path, want := range map[string]string{
		filepath.Join(long, "net", strings.Repeat("z", 108)): "115 bytes",
		filepath.Join(long, "nowhere", "a"):                  "no such file",
	} {
		if _, err := machine.ShortSockets(filepath.Join(long, "m"), []machine.Net{{Remote: path}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
