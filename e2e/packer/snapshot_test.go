package packer_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// TestSnapshot: a machine with a plain Debian, as a provider gives it, gets a
// cluster's layers from Packer over SSH, and its disk is the image of a node. A
// machine that starts from it with an identity is that node, and with it the
// cluster is whole.
func TestSnapshot(t *testing.T) {
	w, root := equip(t)
	folder := variant.In(t, root)
	w.environ = append(w.environ, "XDG_CONFIG_HOME="+root) // with the operator's key
	v := folder.New(t, "snapshot", "lab", func(def variant.Definition) {
		def["provisioning"] = "cloud-init"
		def["nodes"] = def["nodes"].([]any)[:1]
		def["image"] = variant.Definition{"targets": []string{"qemu"}, "packages": []string{"apt"}}
	})
	v.Ingot(t, "lock", "lab")
	v.Ingot(t, "iso", "lab")
	debian := plainDebian(t, v, folder.Key.PublicKey())
	cfg := machine.Config{
		Name: "plain", Dir: qemu.Dir(t), Memory: 3072, Disk: machine.Disk{Image: debian.disk, Format: "raw"},
		Direct: machine.Direct{Kernel: debian.kernel, Initrd: debian.initrd, Line: "root=/dev/vda rw console=ttyS0 no_timer_check mitigations=off audit=0"},
		Nets:   []machine.Net{{Kind: machine.User, MAC: "52:54:00:00:00:01", Forward: []machine.Forward{{Guest: 22}}}},
	}
	m := start(t, cfg, folder.Key)
	m.login("debian")
	w.provision(t, v, m, filepath.Join(root, "ssh.pem"))
	m.off()

	// Another machine starts from its disk.
	cfg.Name, cfg.Disk = "lab0", machine.Disk{Image: filepath.Join(cfg.Dir, machine.DiskFile), Format: "qcow2"}
	cfg.Dir, cfg.Nets[0].MAC, cfg.CDROMs = qemu.Dir(t), "52:54:00:00:00:02", []string{v.File("lab0", "config.iso")}
	m = start(t, cfg, folder.Key)
	m.accepted("lab0")
	m.login("ingot")
	m.ready("lab0")
	m.off()
}

// provision has Packer do it: all components twice, as whoever logs in becomes
// root, and then the cleaning.
func (w *world) provision(t *testing.T, v *variant.Variant, m *guest, key string) {
	t.Helper()
	template := head + fmt.Sprintf(`
source "null" "machine" {
  ssh_host             = "127.0.0.1"
  ssh_port             = %d
  ssh_username         = "debian"
  ssh_private_key_file = %q
}
build {
  sources = ["source.null.machine"]
  STEPS
}
`, m.port(), key)
	elevate := `elevate = ["sudo", "--non-interactive"]`
	steps := func(text string) string { return strings.ReplaceAll(template, "STEPS", text) }
	node := fmt.Sprintf("provisioner \"ingot-node\" {\n cluster = %q\n %%s\n}\n", filepath.Dir(v.Definition()))

	// Without a terminal nobody can be asked, and not being root is found out first.
	w.template(t, invocation{}, steps(fmt.Sprintf(node, "")), "build", "-on-error=ask").ended(t, 1, "ingot-node: user 1000 is not root on the machine")
	first := w.template(t, invocation{}, steps(fmt.Sprintf(node, elevate)), "build").
		ended(t, 0, "packages of the lock", "writing", "comparing what is there")
	t.Logf("all components over SSH: %s", first.took)
	m.locked(v)
	again := w.template(t, invocation{}, steps(fmt.Sprintf(node, elevate)+`provisioner "ingot-clean" { `+elevate+` }`), "build").ok(t)
	t.Logf("again, and the cleaning: %s", again.took)
	for _, never := range []string{"installing", "programs"} {
		if strings.Contains(again.stdout, never) {
			t.Errorf("the second time is not without %q:\n%s", never, again.stdout)
		}
	}
}
