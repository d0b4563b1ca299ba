package boot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// TestScan: what kernel and udev say of devices, in the forms of real ones.
func TestScan(t *testing.T) {
	m := newMachine(t, Auto)
	small := filepath.Join(t.TempDir(), "small")
	m.must(os.WriteFile(small, make([]byte, 1<<20), 0o600))
	m.device("sda", small, "removable:=0", "ro:=0", "device/vendor:=ATA     ", "device/model:=Samsung SSD 870 ",
		"E:ID_SERIAL=Samsung_SSD_870_S5Y1", "E:ID_SERIAL_SHORT=S5Y1", "E:ID_BUS=ata", "E:ID_PATH=pci-0000:00:17.0-ata-1",
		"S:disk/by-path/pci-0000:00:17.0-ata-1", "S:disk/by-id/wwn-0x5002538f", "S:disk/by-id/ata-Samsung_SSD_870_S5Y1")
	m.device("sdb", small, "device/vendor:=QEMU", "device/model:=QEMU HARDDISK", "E:ID_SERIAL=0QEMU_QEMU_HARDDISK_drive-1", "E:ID_SERIAL_SHORT=drive-1", "E:ID_SCSI_SERIAL=SC\x01SI-1")
	m.device("nvme0n1", small, "ro:=1", "device/model:=KXG60", "device/serial:=  N1 ", "queue/logical_block_size:=4096")
	m.device("vda", small, "serial:=V1", "device/vendor:=0x1af4")
	m.device("sdc", small, "removable:=1", "device/vendor:=Kingston")
	m.device("cciss!c0d0", small)
	for _, none := range []string{"sr0", "fd0", "mmcblk0boot0", "mmcblk0rpmb", "loop7", "dm-0", "nvme0c0n1", "sde"} {
		m.device(none, small)
	}
	m.write("sys/class/block/sr0/device/type", "5\n")
	m.write("sys/class/block/nvme0c0n1/hidden", "1\n")
	m.write("sys/class/block/sde/size", "0\n") // a reader without a card
	m.must(os.RemoveAll(filepath.Join(m.root, "sys/class/block/dm-0/device")))
	// Behind a bridge that speaks as SATA does.
	real := filepath.Join(m.root, "sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/block/sdd")
	m.device("sdd", small, "E:ID_BUS=ata")
	m.must(os.MkdirAll(filepath.Dir(real), 0o755))
	m.must(os.Rename(filepath.Join(m.root, "sys/class/block/sdd"), real))
	m.must(os.Symlink(real, filepath.Join(m.root, "sys/class/block/sdd")))

	disks, err := scan(m.root, "/dev/vda")
	m.must(err)
	var got []string
	for _, d := range disks {
		got = append(got, fmt.Sprintf("%s|%s|%s|%d|removable %v|read-only %v|medium %v|%s|%s", d.Path, d.Model, d.Serial, d.Sector, d.Removable, d.ReadOnly, d.Medium, d.Port, strings.Join(d.IDs, " ")))
	}
	want := []string{
		"/dev/cciss/c0d0|Disk of tests||512|removable false|read-only false|medium false||",
		"/dev/nvme0n1|KXG60|N1|4096|removable false|read-only true|medium false||",
		"/dev/sda|Samsung SSD 870|S5Y1|512|removable false|read-only false|medium false|pci-0000:00:17.0-ata-1|/dev/disk/by-id/ata-Samsung_SSD_870_S5Y1 /dev/disk/by-id/wwn-0x5002538f",
		"/dev/sdb|QEMU QEMU HARDDISK|SCSI-1|512|removable false|read-only false|medium false||",
		"/dev/sdc|Kingston Disk of tests||512|removable true|read-only false|medium false||",
		"/dev/sdd|Disk of tests||512|removable true|read-only false|medium false||",
		"/dev/vda|Disk of tests|V1|512|removable false|read-only false|medium true||",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if disks[2].Size != 1<<20 || !disks[2].Holds.Empty() || disks[0].Holds.Empty() {
		t.Errorf("sda: %+v; cciss: %s", disks[2], &disks[0].Holds) // the node of cciss is not below /dev/cciss here
	}
}

// TestKnown: what udev knows of a disk and its parts is told to a person.
func TestKnown(t *testing.T) {
	m := newMachine(t, Auto)
	file := m.disk("sda", 64<<20)
	if out, err := exec.Command(need.Tool(t, "sgdisk"), "--new=1:2048:4095", "--change-name=1:EFI system", "--new=2:4096:", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m.device("sda", file)
	describe := func() string {
		t.Helper()
		disks, err := scan(m.root, "")
		m.must(err)
		return disks[0].Holds.String()
	}
	if got, want := describe(), `a partition table (gpt), partitions 1 "EFI system", 2 ""`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	part := filepath.Join(t.TempDir(), "part")
	m.must(os.WriteFile(part, make([]byte, 1<<20), 0o600))
	dev := strings.TrimSpace(m.read("sys/class/block/sda/dev"))
	m.device("sda1", part, "partition:=1", "E:ID_PART_ENTRY_NAME=EFI system", "E:ID_FS_TYPE=vfat", "E:ID_FS_LABEL=SYSTEM\x07", "E:ID_PART_ENTRY_DISK="+dev)
	m.device("sdb1", part, "partition:=1", "E:ID_PART_ENTRY_DISK=8:99")
	if got, want := describe(), `a partition table (gpt), partitions sda1 "EFI system" (vfat "SYSTEM")`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
