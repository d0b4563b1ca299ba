package gpt_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
)

const grubFolder = "/usr/lib/grub/i386-pc"

// grubDisk is a disk whose GRUB says something on the serial line.
func grubDisk(t *testing.T, says string) *images.Disk {
	t.Helper()
	need.Tool(t, "/usr/lib/grub/i386-pc/grub-bios-setup") // for the modules beside it
	dir := t.TempDir()
	script := "serial --unit=0\nterminal_output serial\necho " + says + " $root\nhalt\n"
	if err := os.WriteFile(filepath.Join(dir, "grub.cfg"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), need.Tool(t, "grub-mkimage"), "-O", "i386-pc", "-d", grubFolder, "-p", "(hd0,gpt1)/boot",
		"-c", filepath.Join(dir, "grub.cfg"), "-o", filepath.Join(dir, "core.img"),
		"biosdisk", "part_gpt", "serial", "terminal", "echo", "halt").CombinedOutput()
	if err != nil {
		t.Fatalf("grub-mkimage: %v\n%s", err, out)
	}
	code, image, err := gpt.InstallGRUB(read(t, filepath.Join(grubFolder, "boot.img")), read(t, filepath.Join(dir, "core.img")), 2048)
	if err != nil {
		t.Fatal(err)
	}
	d, err := gpt.Layout{Seed: []byte("grub"), BootCode: code, Partitions: []gpt.Partition{
		{Label: "bios", Type: gpt.BIOSBoot, Content: images.Bytes(image)},
		{Label: "data", Type: gpt.LinuxFileSystem, Size: 8 << 20},
	}}.Disk()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBoot boots disks in QEMU: a real BIOS runs the boot code, which loads
// GRUB, which finds the partition table; all through the formats of images.
func TestBoot(t *testing.T) {
	disk := grubDisk(t, "INGOT-GRUB")
	for format, write := range map[string]func(w *os.File) error{
		"raw": func(w *os.File) error {
			_, err := images.WriteRaw(t.Context(), w, disk, images.RawOptions{})
			return err
		},
		"qcow2": func(w *os.File) error {
			_, err := images.WriteQCOW2(t.Context(), w, disk, images.QCOW2Options{})
			return err
		},
		"vmdk": func(w *os.File) error {
			_, err := images.WriteVMDK(t.Context(), w, disk, images.VMDKOptions{})
			return err
		},
	} {
		t.Run(format, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := write(f); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			boot(t, path, format, "INGOT-GRUB hd0,gpt1")
		})
	}
}

// boot runs a machine until it has said something on its serial line.
func boot(t *testing.T, disk, format, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	m := qemu.Start(t, machine.Config{Name: format, Memory: 64, Disk: machine.Disk{Image: disk, Format: format}})
	if _, err := m.Console().Expect(ctx, regexp.MustCompile(want)); err != nil {
		t.Error(err)
	}
}
