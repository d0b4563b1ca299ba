package boot

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// hostGRUB is the boot loaders of this machine, made as those of images are.
func hostGRUB(t *testing.T) *GRUB {
	t.Helper()
	const folder = "/usr/lib/grub/i386-pc"
	need.Tool(t, folder+"/grub-bios-setup") // for the modules beside it
	file := func(path string) []byte {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	image := func(to target) []byte {
		t.Helper()
		out := filepath.Join(t.TempDir(), "core.img")
		argv := []string{"-O", to.format, "-d", folder, "-p", to.prefix, "-o", out}
		if said, err := exec.CommandContext(t.Context(), need.Tool(t, "grub-mkimage"), slices.Concat(argv, to.modules, menuModules)...).CombinedOutput(); err != nil {
			t.Fatalf("grub-mkimage: %v\n%s", err, said)
		}
		return file(out)
	}
	signed := func(path string) []byte {
		need.File(t, path)
		return file(path)
	}
	return &GRUB{
		Boot: file(folder + "/boot.img"), Core: image(onDisk), CD: image(onCD),
		Shim: signed("/" + shimFile), EFI: signed("/" + grubFile), MOK: []byte("mok"),
	}
}

// TestISOStarts has real firmware start a boot ISO whose kernel is none: GRUB
// finds its menu, and says what it thinks of the file.
func TestISOStarts(t *testing.T) {
	p := sampleISO(t)
	p.GRUB = hostGRUB(t)
	path := writeISO(t, p)
	for name, cfg := range map[string]machine.Config{
		"BIOS, CD":    {CDROMs: []string{path}, Boot: "cdrom0"},
		"BIOS, SCSI":  {CDROMs: []string{path}, Boot: "cdrom0", CDBus: machine.SCSI},
		"BIOS, stick": {Sticks: []string{path}, Boot: "stick0"},
		"UEFI, CD":    {CDROMs: []string{path}, Boot: "cdrom0", Firmware: machine.UEFI},
		"UEFI, SCSI":  {CDROMs: []string{path}, Boot: "cdrom0", Firmware: machine.UEFI, CDBus: machine.SCSI},
		"UEFI, stick": {Sticks: []string{path}, Boot: "stick0", Firmware: machine.UEFI},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Name, cfg.Memory = "iso", 256
			m := qemu.Start(t, cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			for _, want := range []string{`as the identity says`, `invalid magic number`} {
				if _, err := m.Console().Expect(ctx, regexp.MustCompile(want), regexp.MustCompile(`not found|unknown filesystem`)); err != nil {
					t.Fatal(err)
				}
				// On a busy machine GRUB takes its seconds for hours: the time that it
				// measures them by is another one.
				if _, err := fmt.Fprint(m.Console(), "\r"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
