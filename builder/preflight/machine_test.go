package preflight

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
)

// fake is a machine that has everything, but for what a test takes away.
type fake struct {
	lacks []string
	files map[string]string
	free  map[string][2]int64 // folder -> disk and bytes
	root  bool
}

func (f fake) host() Host {
	files := map[string]string{"/etc/subuid": "other:100000:65536\nme:165536:65536\n", "/etc/subgid": "1000:165536:65536\n",
		"/proc/sys/user/max_user_namespaces": "96365\n"}
	for name, text := range f.files {
		files[name] = text
	}
	return Host{
		Root: f.root, User: "me", UID: 1000,
		Has: func(name string) bool {
			for _, l := range f.lacks {
				if l == name || l == "*" && name != "/etc/apparmor.d/mmdebstrap" {
					return false
				}
			}
			return true
		},
		Read: func(path string) string { return files[path] },
		Free: func(dir string) (uint64, int64, bool) {
			d, ok := f.free[dir]
			return uint64(d[0]), d[1], ok
		},
	}
}

func TestMachine(t *testing.T) {
	rooms := []Room{{"/home/me/.cache/ingot", 3e9, "the cache"}, {"/tmp", 2e9, "the base"}, {"/out/prod/images", 1e9, "images"}}
	tests := []struct {
		title string
		fake
	}{
		{"everything is there", fake{}},
		{"root with nothing", fake{root: true, lacks: []string{"*"}}},
		{"user with nothing", fake{lacks: []string{"*"}, files: map[string]string{"/etc/subuid": "", "/etc/subgid": ""}}},
		{"two programs of one package, one of none", fake{lacks: []string{"/usr/share/keyrings/debian-archive-keyring.gpg", "mmdebstrap", "go"}}},
		{"root needs no user namespace", fake{root: true, lacks: []string{"newuidmap"}, files: map[string]string{
			"/etc/subuid": "", "/proc/sys/kernel/unprivileged_userns_clone": "0\n"}}},
		{"too few ids", fake{files: map[string]string{"/etc/subgid": "me:100000:1000\nbad\nme:x:y\n"}}},
		{"namespaces for root alone", fake{files: map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0\n"}}},
		{"no namespaces", fake{files: map[string]string{"/proc/sys/user/max_user_namespaces": "0\n"}}},
		{"AppArmor", fake{lacks: []string{"/etc/apparmor.d/mmdebstrap"}, files: map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}}},
		{"AppArmor that knows mmdebstrap", fake{files: map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}}},
		{"room on each", fake{free: map[string][2]int64{"/home/me": {1, 3e9}, "/tmp": {2, 2e9}, "/": {3, 1e9}}}},
		{"one small disk", fake{free: map[string][2]int64{"/": {1, 5e9}}}},
		{"a small disk and a large one", fake{free: map[string][2]int64{"/": {1, 2e9}, "/home": {2, 9e9}}}},
	}
	var got strings.Builder
	for _, tt := range tests {
		fmt.Fprintf(&got, "=== %s\n", tt.title)
		for _, p := range Machine(load(t, oneNode), tt.host(), rooms) {
			fmt.Fprintf(&got, "%s: %s\n  %s\n", p.Severity, p.What, p.Mend)
		}
	}
	golden.Check(t, filepath.Join("testdata", "machine.txt"), []byte(got.String()))
}

func TestCheck(t *testing.T) {
	c := load(t, "image: {targets: [metal]}\n"+oneNode)
	rooms := []Room{{"/tmp", 2e9, "the base"}}
	report, err := Check(c, fake{free: map[string][2]int64{"/tmp": {1, 1}}}.host(), rooms)
	if err != nil || len(report.Problems) != 2 || report.Problems[1].Severity != diag.Warning {
		t.Errorf("two warnings: got %v, %v", report.Problems, err)
	}
	_, err = Check(c, fake{lacks: []string{"go", "mmdebstrap"}}.host(), nil)
	var machine *MachineError
	if !errors.As(err, &machine) || err.Error() != "checking this machine: not installed: mmdebstrap; the program go is not installed, which compiles Kubernetes" {
		t.Fatalf("got %v", err)
	}
	if lines := strings.Split(machine.Hint(), "\n"); len(lines) != 2 || lines[0] != "as root: apt-get install --no-install-recommends mmdebstrap" {
		t.Errorf("the hint is %q", lines)
	}
	bad := load(t, "image: {targets: [digitalocean]}\n"+key+"files:\n  - {path: /etc/big, content: "+noise(120000)+"}\n"+oneNode)
	_, err = Check(bad, fake{lacks: []string{"go"}}.host(), nil)
	var report2 *diag.ReportError
	if !errors.As(err, &report2) || !errors.As(err, &machine) {
		t.Errorf("both have errors: got %v", err)
	}
}

// TestThis asks this machine.
func TestThis(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "runs"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "does-not"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h := This(dir)
	if !h.Has("runs") || h.Has("does-not") || h.Has("neither") || !h.Has(filepath.Join(dir, "does-not")) {
		t.Error("it finds other programs than are there")
	}
	if h.User == "" || h.Root != (os.Geteuid() == 0) {
		t.Errorf("the user is %q, root %v", h.User, h.Root)
	}
	if h.Setting("kernel/ostype") != "Linux" || h.Setting("kernel/none") != "" {
		t.Errorf("kernel.ostype is %q", h.Setting("kernel/ostype"))
	}
	_, bytes, ok := free(h, filepath.Join(dir, "not", "yet", "there"))
	if !ok || bytes <= 0 {
		t.Errorf("%d bytes are free, %v", bytes, ok)
	}
	if _, _, ok := h.Free(filepath.Join(dir, "not")); ok {
		t.Error("a folder that is not there is on a disk")
	}
}
