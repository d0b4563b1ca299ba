package boot

import (
	"encoding/binary"
	"fmt"

	"github.com/ingot-k8s/ingot/builder/boot/fat"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
)

// espMin is the least size of the ESP: room for the kernel, initrd and boot
// loaders of a later release.
const espMin = 96 << 20

// grubPrefix is where Debian's signed GRUB looks for its config.
const grubPrefix = "EFI/debian"

const grubConfigFile = grubPrefix + "/grub.cfg"

// firstConfig leads to the config beside the kernel.
const firstConfig = "configfile /ingot/grub.cfg\n"

// esp composes the EFI system partition.
func esp(p *Parts, args []string) (*images.Disk, error) {
	id := gpt.Derive(p.Root.Hash[:], "esp")
	files := append(p.GRUB.programs(),
		fat.File{Path: grubConfigFile, Content: images.Bytes([]byte(firstConfig))},
		fat.File{Path: "ingot/vmlinuz", Content: p.Kernel},
		fat.File{Path: "ingot/initrd", Content: p.Initrd},
		fat.File{Path: "ingot/grub.cfg", Content: images.Bytes([]byte(grubConfig(args)))},
	)
	size := max(espMin, roomFor(files))
	disk, err := fat.New(fat.Config{Size: size, ID: binary.LittleEndian.Uint32(id[:]), Label: "INGOT", Files: files})
	if err != nil {
		return nil, fmt.Errorf("making ESP: %w", err)
	}
	return disk, nil
}

// programs are what UEFI starts, and where it looks for it.
func (g *GRUB) programs() []fat.File {
	return []fat.File{
		{Path: "EFI/BOOT/BOOTX64.EFI", Content: images.Bytes(g.Shim)},
		{Path: "EFI/BOOT/grubx64.efi", Content: images.Bytes(g.EFI)},
		{Path: "EFI/BOOT/mmx64.efi", Content: images.Bytes(g.MOK)},
	}
}

// roomFor is the size of a file system for files: each may waste a part of a
// cluster, and the tables take a hundredth.
func roomFor(files []fat.File) int64 {
	size := int64(0)
	for _, f := range files {
		size += f.Content.Size()
	}
	return (size + size/50 + 2<<20) >> 20 << 20
}
