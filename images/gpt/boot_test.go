package gpt_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
	"github.com/ingot-k8s/ingot/internal/need"
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
	qemu := need.Tool(t, "qemu-system-x86_64")
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
			boot(t, qemu, path, format, "INGOT-GRUB hd0,gpt1")
		})
	}
}

// boot runs a machine until it has said something on its serial line.
func boot(t *testing.T, qemu, disk, format, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu, "-accel", "tcg", "-machine", "pc", "-m", "64", "-nodefaults", "-nographic", "-no-reboot",
		"-snapshot", "-serial", "stdio", "-drive", "if=virtio,file="+disk+",format="+format)
	console, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for buf := make([]byte, 4096); !strings.Contains(said, want); {
		n, err := console.Read(buf)
		said += string(buf[:n])
		if err != nil {
			t.Errorf("the machine never said %q (%v), but:\n%q\n%s", want, err, said, stderr.String())
			break
		}
	}
	cancel()
	_, _ = io.Copy(io.Discard, console)
	_ = cmd.Wait() // it was killed
}
