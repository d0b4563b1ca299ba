package boot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// What machines say that were started from a boot ISO.
var (
	saysMakesState = regexp.MustCompile(`ingot: running from the boot ISO, with a state that is made on (\S+)`)
	saysUsesState  = regexp.MustCompile(`ingot: running from the boot ISO, with the state on (\S+)`)
	saysInstalling = regexp.MustCompile(`ingot: installing image \S+ to (\S+)`)
	saysInstalled  = regexp.MustCompile(`ingot: image (\S+) is installed on (\S+), with the identity of the machine`)
)

// installTime is how long an image may take to be written and read back, or to
// be fetched.
const installTime = 30 * time.Minute

// TestBootISO starts machines from boot ISOs: from CDs and USB sticks, by BIOS
// and by UEFI.
func TestBootISO(t *testing.T) {
	w := newWorld(t)
	w.bootISO = w.newBootISO(t)
	w.bootISO.Ingot(t, "iso", "lab", "lab1")
	w.bootISO.Ingot(t, "boot-iso", "lab", "--output", w.bootISO.Path("boot.iso"))
	w.bootISO.Ingot(t, "boot-iso", "lab", "--node", "lab1")
	w.bootISO.Ingot(t, "boot-iso", "lab", "--node", "lab2")
	w.each(t, map[string]func(*testing.T, *world){
		"Run":      runFromISO,
		"TwoCDs":   runFromTwoCDs,
		"Install":  installFromStick,
		"Foreign":  foreignDisk,
		"PowerCut": installPowerCut,
	})
}

// newBootISO is a cluster of which lab1 runs from boot ISOs, and lab2 is
// installed.
func (w *world) newBootISO(t *testing.T) *variant.Variant {
	t.Helper()
	v := w.New(t, "boot-iso", "lab", func(def variant.Definition) {
		alone(def)
		// The cloud kernel has no USB.
		def["image"] = variant.Definition{"targets": []string{"qemu", "metal"}, "kernel": "generic"}
		nodes := def["nodes"].([]any)
		nodes[1].(variant.Definition)["run"] = variant.Definition{"disk": "smallest"}
		nodes[2].(variant.Definition)["install"] = variant.Definition{"disk": "/dev/disk/by-id/virtio-" + diskSerial}
	})
	v.Ingot(t, "lock", "lab")
	return v
}

// diskSerial is the serial number of the machines' disk.
const diskSerial = "INGOT-E2E"

// bare is a machine with an empty disk.
func (w *world) bare(t *testing.T, name string) machine.Config {
	t.Helper()
	return machine.Config{
		Name: name, Dir: qemu.Dir(t), Memory: 3072, NoReboot: true,
		Disk: machine.Disk{Size: 6 << 30, Serial: diskSerial},
		Nets: []machine.Net{{Kind: machine.User, Forward: []machine.Forward{{Guest: 22}}}},
	}
}

// runFromISO: BIOS, a CD with the node's identity on it, an empty disk, which the
// definition allows. The second boot finds the state.
func runFromISO(t *testing.T, w *world) {
	cfg := w.bare(t, "run")
	cfg.CDROMs, cfg.Boot = []string{w.bootISO.File("lab1", "boot.iso")}, "cdrom0"
	secrets := keys(t, w.bootISO, "lab1")
	n := w.start(t, cfg)
	n.expect(saysMakesState, identityTime, saysPanic, saysStop)
	n.accepted("lab1", workerRoles)
	n.login()
	n.waits("lab1")
	n.silent(secrets)
	if size := n.stateSize(); size < 5<<30 {
		t.Errorf("/var has %d bytes on a disk of 6 GiB", size)
	}
	id := n.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub")
	n.powerdown()

	n = w.start(t, cfg)
	n.expect(saysUsesState, identityTime, saysPanic, saysStop, saysMakesState)
	n.accepted("lab1", workerRoles)
	n.login()
	if got := n.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"); got != id {
		t.Errorf("after a reboot the machine's own identity is\n%s, and was\n%s", got, id)
	}
	n.powerdown()
}

// runFromTwoCDs: UEFI, the boot ISO of all nodes on one CD and the identity on
// another.
func runFromTwoCDs(t *testing.T, w *world) {
	cfg := w.bare(t, "two")
	cfg.Firmware, cfg.CDBus, cfg.Boot = machine.UEFI, machine.SCSI, "cdrom0"
	cfg.CDROMs = []string{w.bootISO.Path("boot.iso"), w.bootISO.File("lab1", "config.iso")}
	n := w.start(t, cfg)
	n.expect(saysMakesState, identityTime, saysPanic, saysStop)
	n.accepted("lab1", workerRoles)
	n.login()
	n.run("test -d /sys/firmware/efi")
	n.silent(keys(t, w.bootISO, "lab1"))
}

// installFromStick: UEFI, a USB stick with the node's identity on it; then
// without the stick, from the disk.
func installFromStick(t *testing.T, w *world) {
	cfg := w.bare(t, "install")
	cfg.Firmware, cfg.Sticks, cfg.Boot = machine.UEFI, []string{w.bootISO.File("lab2", "boot.iso")}, "stick0"
	secrets := keys(t, w.bootISO, "lab2")
	n := w.start(t, cfg)
	n.expect(saysInstalling, identityTime, saysPanic, saysStop)
	n.installed()
	n.silent(secrets)
	n = w.installedDisk(t, cfg)
	n.silent(secrets)
	n.powerdown()
}

// installed waits until a machine has been installed and starts again.
func (n *node) installed() {
	n.t.Helper()
	n.expect(saysInstalled, installTime, saysPanic, saysStop)
	n.ends("guest-reset")
	n.t.Logf("%s: installed after %s", n.Config().Name, seconds(time.Since(n.began)))
}

// ends waits until a machine has ended.
func (n *node) ends(why string) {
	n.t.Helper()
	deadline := time.Now().Add(downTime)
	for !n.Ended() && time.Now().Before(deadline) {
		time.Sleep(time.Second)
	}
	if !n.Ended() || n.Reason() != why {
		n.t.Fatalf("the machine has not ended, or for %q, want %q", n.Reason(), why)
	}
}

// installedDisk starts a machine from its disk alone.
func (w *world) installedDisk(t *testing.T, cfg machine.Config) *node {
	t.Helper()
	cfg.CDROMs, cfg.Sticks, cfg.Boot = nil, nil, ""
	n := w.start(t, cfg)
	n.accepted("lab2", workerRoles)
	n.login()
	n.waits("lab2")
	if said := n.run("cat /proc/cmdline; losetup --noheadings --list"); strings.Contains(said, "ingot.boot") || strings.Contains(said, "/run/ingot/medium") {
		t.Errorf("the machine does not run from its disk: %s", said)
	}
	return n
}

// foreignDisk: BIOS, a USB stick, and a disk with somebody's files: it is named,
// and nothing of it is changed.
func foreignDisk(t *testing.T, w *world) {
	image := filepath.Join(t.TempDir(), "foreign.raw")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 6<<30); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-L", "holiday", image)
	cfg := w.bare(t, "foreign")
	cfg.Disk = machine.Disk{Image: image, Format: "raw", Serial: diskSerial}
	cfg.Sticks, cfg.Boot = []string{w.bootISO.File("lab2", "boot.iso")}, "stick0"
	n := w.start(t, cfg)
	n.expect(saysStop, identityTime, saysPanic, saysWho, saysInstalling)
	said := n.Console().Text()
	for _, want := range []string{diskSerial, "holiday", "ext4"} {
		if !strings.Contains(said, want) {
			t.Errorf("the machine does not say %q:\n%s", want, n.Console().Tail())
		}
	}
	n.Kill()
	command(t, "qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2", image, filepath.Join(cfg.Dir, machine.DiskFile))
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), need.Tool(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// installPowerCut: BIOS, a CD. The power goes while the image is written; the
// next boot writes it, and the disk starts.
func installPowerCut(t *testing.T, w *world) {
	cfg := w.bare(t, "cut")
	cfg.CDROMs, cfg.Boot = []string{w.bootISO.File("lab2", "boot.iso")}, "cdrom0"
	n := w.start(t, cfg)
	n.expect(saysInstalling, identityTime, saysPanic, saysStop)
	time.Sleep(5 * time.Second) // it says nothing meanwhile
	n.Kill()
	t.Logf("power cut after %s", seconds(time.Since(n.began)))

	n = w.start(t, cfg)
	n.expect(saysInstalling, identityTime, saysPanic, saysStop)
	n.installed()
	n = w.installedDisk(t, cfg)
	n.powerdown()
}
