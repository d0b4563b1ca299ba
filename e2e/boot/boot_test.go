package boot_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/lab/machine"
)

const (
	allRoles    = "controller, worker, edge"
	workerRoles = "worker, edge"
)

// TestIgnition boots machines of the image that has Ignition, two at a time.
func TestIgnition(t *testing.T) {
	w := newWorld(t)
	w.ignition = w.New(t, "ignition", "lab", func(def variant.Definition) {
		alone(def)
		talkative(def)
	})
	w.stranger = w.New(t, "stranger", "stranger", alone)
	w.ignition.Bake(t, "raw,qcow2,vmdk", "--node-iso", "lab0,lab1,lab2")
	w.stranger.Ingot(t, "iso", "stranger", "lab0")
	w.each(t, map[string]func(*testing.T, *world){
		"Life":         life,
		"FirmwareCfg":  firmwareConfig,
		"PowerCut":     powerCut,
		"FlippedByte":  flippedByte,
		"NoIdentity":   noIdentity,
		"Tampered":     tampered,
		"OtherCluster": otherCluster,
	})
}

// TestCloudInit boots machines of the image that has cloud-init.
func TestCloudInit(t *testing.T) {
	w := newWorld(t)
	w.cloudInit = w.New(t, "cloud-init", "lab", func(def variant.Definition) {
		alone(def)
		def["provisioning"] = "cloud-init"
	})
	w.cloudInit.Bake(t, "raw,qcow2", "--node-iso", "lab0,lab1")
	w.each(t, map[string]func(*testing.T, *world){
		"ConfigDrive": configDrive,
		"NoCloud":     noCloud,
	})
}

// each runs tests at once, as far as there are slots for their machines.
func (w *world) each(t *testing.T, tests map[string]func(*testing.T, *world)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.slot(t)
			began := time.Now()
			test(t, w)
			t.Logf("%s: %s in all", name, seconds(time.Since(began)))
		})
	}
}

// life: BIOS, raw, a config ISO for Ignition; the control plane comes up. Then
// the machine is turned off, its ISO taken away and its disk enlarged from 4
// to 20 GB, and it is who it was. (That controllers come back is seen in
// e2e/cluster.)
func life(t *testing.T, w *world) {
	cfg := w.config(t, "life", w.ignition.Image(t, builder.Raw), "raw")
	cfg.CDROMs = []string{w.ignition.File("lab0", "config.iso")}
	secrets := keys(t, w.ignition, "lab0")
	n := w.start(t, cfg)
	n.accepted("lab0", allRoles)
	n.login()
	n.healthy("lab0")
	n.silent(secrets)
	before, id := n.stateSize(), n.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub")
	if before > 4<<30 {
		t.Errorf("/var has %d bytes on a disk of 4 GiB", before)
	}
	n.powerdown()

	cfg.CDROMs, cfg.Disk.Size = nil, 20<<30
	n = w.start(t, cfg)
	n.accepted("lab0", allRoles)
	n.login()
	n.silent(secrets)
	if after := n.stateSize(); after < 15<<30 || after < before {
		t.Errorf("/var has %d bytes on a disk of 20 GiB, and had %d before", after, before)
	}
	if got := n.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"); got != id {
		t.Errorf("after a reboot the machine's own identity is\n%s, and was\n%s", got, id)
	}
	n.powerdown()
}

// firmwareConfig: UEFI, qcow2, and an identity by fw_cfg.
func firmwareConfig(t *testing.T, w *world) {
	cfg := w.config(t, "fwcfg", w.ignition.Image(t, builder.QCOW2), "qcow2")
	cfg.Firmware = machine.UEFI
	cfg.FWCfg = []machine.FWCfg{
		{Name: "opt/com.coreos/config", File: w.ignition.File("lab1", "user_data")},
		{Name: "opt/org.ingot/identity.bundle", File: w.ignition.File("lab1", "identity.bundle")},
	}
	n := w.start(t, cfg)
	n.accepted("lab1", workerRoles)
	n.login()
	n.run("test -d /sys/firmware/efi")
	n.waits("lab1")
	n.silent(keys(t, w.ignition, "lab1"))
}

// powerCut: BIOS, VMDK, a config ISO on SCSI. The power goes while the state
// partition is made, when it is mounted and Ignition is about to write, and as
// soon as the machine has said who it is; then it stays.
func powerCut(t *testing.T, w *world) {
	cfg := w.config(t, "powercut", w.ignition.Image(t, builder.VMDK), "vmdk")
	cfg.CDBus, cfg.CDROMs = machine.SCSI, []string{w.ignition.File("lab2", "config.iso")}
	for _, cut := range []struct {
		at    *regexp.Regexp
		delay time.Duration
	}{
		{regexp.MustCompile(`device-mapper: .*verity|verity: .* using`), 3 * time.Second},
		{regexp.MustCompile(`EXT4-fs \(\w+\): mounted`), time.Second},
		{saysWho, 0},
	} {
		n := w.start(t, cfg)
		line := n.expect(cut.at, identityTime, saysPanic, saysStop, saysRefused)
		time.Sleep(cut.delay) // what is to be interrupted says nothing
		n.Kill()
		t.Logf("power cut after %s, %s after %q", seconds(time.Since(n.began)), cut.delay, line.Text)
	}
	cfg.CDROMs = nil
	n := w.start(t, cfg)
	n.accepted("lab2", workerRoles)
	n.login()
	n.waits("lab2")
	n.silent(keys(t, w.ignition, "lab2"))
}

// configDrive: UEFI, raw, a cloud-config on a volume labelled config-2. The
// drive is on SCSI: with QEMU's firmware for UEFI the kernel finds none on IDE.
func configDrive(t *testing.T, w *world) {
	cfg := w.config(t, "configdrive", w.cloudInit.Image(t, builder.Raw), "raw")
	cfg.Firmware, cfg.CDBus, cfg.CDROMs = machine.UEFI, machine.SCSI, []string{w.cloudInit.File("lab0", "config.iso")}
	cloudConfig(t, w, cfg, "lab0", allRoles, (*node).healthy)
}

// noCloud: BIOS, qcow2, a cloud-config on a volume labelled cidata.
func noCloud(t *testing.T, w *world) {
	cfg := w.config(t, "nocloud", w.cloudInit.Image(t, builder.QCOW2), "qcow2")
	cfg.CDROMs = []string{w.cloudInit.File("lab1", "cidata.iso")}
	cloudConfig(t, w, cfg, "lab1", workerRoles, (*node).waits)
}

func cloudConfig(t *testing.T, w *world, cfg machine.Config, name, roles string, check func(*node, string)) {
	n := w.start(t, cfg)
	n.accepted(name, roles)
	n.login()
	check(n, name)
	n.silent(keys(t, w.cloudInit, name))
}

// flippedByte: the machine must not run from a root of which one byte is
// another.
func flippedByte(t *testing.T, w *world) {
	image := w.ignition.Image(t, builder.Raw)
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range w.ignition.Manifest.Partitions {
		if p.Label == "root" {
			found = true
			data[p.Offset+100] ^= 1 // in the first block, which every mount reads
		}
	}
	if !found {
		t.Fatal("the manifest has no partition root")
	}
	broken := filepath.Join(t.TempDir(), "broken.raw")
	if err := os.WriteFile(broken, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := w.config(t, "flipped", broken, "raw")
	cfg.CDROMs, cfg.NoReboot = []string{w.ignition.File("lab0", "config.iso")}, true
	n := w.start(t, cfg)
	line := n.expect(regexp.MustCompile(`(?i)verity.*corrupt|panic.*verity`), identityTime, saysWho)
	t.Logf("after %s: %q", seconds(time.Since(n.began)), line.Text)
	n.expect(regexp.MustCompile(`Kernel panic|the boot stops here`), time.Minute, saysWho)
}
