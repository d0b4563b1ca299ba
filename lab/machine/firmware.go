package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// flashes is where distributions have OVMF without Secure Boot, newest first.
func flashes() []Flash {
	return []Flash{
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},             // Debian, Ubuntu
		{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},                   // older ones
		{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},         // Fedora
		{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},     // Arch Linux
		{"/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"},   // openSUSE
		{"/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"}} // others
}

// FindFlash returns the host's UEFI firmware for machines of type pc.
func FindFlash() (Flash, error) {
	for _, f := range flashes() {
		if regular(f.Code) && regular(f.Vars) {
			return f, nil
		}
	}
	return Flash{}, errors.New("finding the UEFI firmware: there is none (package ovmf)")
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// prepareFlash gives the machine its copy of the firmware's settings.
func prepareFlash(c Config) error {
	path := filepath.Join(c.Dir, varsFile)
	if c.Firmware != UEFI || regular(path) {
		return nil
	}
	data, err := os.ReadFile(c.Flash.Vars)
	if err != nil {
		return fmt.Errorf("copying the firmware's settings: %w", err)
	}
	return atomicfile.WriteNoSync(path, data, 0o600)
}

// prepareDisk makes the file of the machine's own changes to its image, and
// lets the disk grow.
func prepareDisk(ctx context.Context, c Config) error {
	if c.Disk.none() {
		return nil
	}
	if c.Disk.Image != "" && !regular(c.Disk.Image) {
		return fmt.Errorf("disk %q: %w", c.Disk.Image, fs.ErrNotExist)
	}
	path := filepath.Join(c.Dir, DiskFile)
	if !regular(path) {
		partial := path + ".part"
		argv := []string{qemuImg, "create", "-q", "-f", "qcow2"}
		if c.Disk.Image != "" {
			argv = append(argv, "-b", c.Disk.Image, "-F", c.Disk.Format, partial)
		} else {
			argv = append(argv, partial, strconv.FormatInt(c.Disk.Size, 10))
		}
		if err := (run.Exec{}).Run(ctx, run.Command{Argv: argv}); err != nil {
			_ = os.Remove(partial) // the first error is the one to report
			return fmt.Errorf("making the machine's disk: %w", err)
		}
		if err := os.Rename(partial, path); err != nil {
			return err
		}
	}
	if c.Disk.Size == 0 {
		return nil
	}
	// Without --shrink this refuses to make it smaller.
	argv := []string{qemuImg, "resize", "-q", path, strconv.FormatInt(c.Disk.Size, 10)}
	if err := (run.Exec{}).Run(ctx, run.Command{Argv: argv}); err != nil {
		return fmt.Errorf("making the machine's disk: %w", err)
	}
	return nil
}
