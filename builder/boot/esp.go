package boot

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/builder/boot/fat"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
)

// espMin is the least size of the ESP: room for the kernel, initrd and boot
// loaders of a later release.
const espMin = 96 << 20

// grubPrefix is where Debian's signed GRUB looks for its config.
const grubPrefix = "EFI/debian"

// firstConfig leads to the config beside the kernel.
const firstConfig = "configfile /ingot/grub.cfg\n"

// grubConfig boots the only entry there is. Strangers at the console cannot
// change the kernel line: there are superusers, and none of them is anybody.
func grubConfig(args []string) string {
	var b strings.Builder
	b.WriteString(`# Written by ingot.
set timeout=1
set default=0
set superusers=""
export superusers
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
menuentry 'ingot' --unrestricted {
	echo 'ingot: loading the kernel'
	linux /ingot/vmlinuz`)
	for _, arg := range args {
		b.WriteString(" '" + arg + "'")
	}
	b.WriteString("\n\techo 'ingot: loading the initrd'\n\tinitrd /ingot/initrd\n}\n")
	return b.String()
}

// esp composes the EFI system partition.
func esp(p *Parts, args []string) (*images.Disk, error) {
	id := gpt.Derive(p.Root.Hash[:], "esp")
	files := []fat.File{
		{Path: "EFI/BOOT/BOOTX64.EFI", Content: images.Bytes(p.GRUB.Shim)},
		{Path: "EFI/BOOT/grubx64.efi", Content: images.Bytes(p.GRUB.EFI)},
		{Path: "EFI/BOOT/mmx64.efi", Content: images.Bytes(p.GRUB.MOK)},
		{Path: grubPrefix + "/grub.cfg", Content: images.Bytes([]byte(firstConfig))},
		{Path: "ingot/vmlinuz", Content: p.Kernel},
		{Path: "ingot/initrd", Content: p.Initrd},
		{Path: "ingot/grub.cfg", Content: images.Bytes([]byte(grubConfig(args)))},
	}
	size := int64(0)
	for _, f := range files {
		size += f.Content.Size()
	}
	// Each file may waste a part of a cluster, and the tables take a hundredth.
	size = max(espMin, (size+size/50+2<<20)>>20<<20)
	disk, err := fat.New(fat.Config{Size: size, ID: binary.LittleEndian.Uint32(id[:]), Label: "INGOT", Files: files})
	if err != nil {
		return nil, fmt.Errorf("making ESP: %w", err)
	}
	return disk, nil
}
