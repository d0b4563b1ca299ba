package gpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Places in GRUB's images: include/grub/i386/pc/boot.h (boot.img) and
// include/grub/offsets.h with grub-core/boot/i386/pc/diskboot.S (core.img).
// util/setup.c writes them.
const (
	grubKernelSector = 0x5c  // boot.img: sector of core.img, 64 bits
	grubDriveCheck   = 0x66  // boot.img: a jump over a workaround for BIOSes
	grubBlockList    = 0x1f4 // core.img: where its rest is: sector (64 bits), sectors (16), segment (16)
	grubSegment      = 0x820 // where that goes in memory: after the first sector at 0x8000
)

// InstallGRUB returns the boot code of a disk that BIOSes boot with GRUB, and
// the image that this runs, which must be on the disk from sector lba on: in a
// partition of type BIOSBoot. boot is GRUB's boot.img, core what grub-mkimage
// made for i386-pc.
func InstallGRUB(boot, core []byte, lba uint64) (code, image []byte, err error) {
	if len(boot) != SectorSize || boot[510] != 0x55 || boot[511] != 0xaa || boot[grubDriveCheck] != 0xeb {
		return nil, nil, errors.New("installing GRUB: the boot image is not a boot.img of GRUB 2 for i386-pc")
	}
	if len(core) <= SectorSize || binary.LittleEndian.Uint16(core[grubBlockList+10:]) != grubSegment {
		return nil, nil, errors.New("installing GRUB: the core image is not one of GRUB 2 for i386-pc")
	}
	rest := (len(core) - 1) / SectorSize // without the first sector, which boot.img reads
	if rest > math.MaxUint16 {
		return nil, nil, fmt.Errorf("installing GRUB: core image of %d bytes: at most %d", len(core), (math.MaxUint16+1)*SectorSize)
	}
	code = bytes.Clone(boot[:bootCodeSize])
	binary.LittleEndian.PutUint64(code[grubKernelSector:], lba)
	// Without the jump, a drive that the BIOS calls by a wrong number is
	// taken for the first hard disk.
	code[grubDriveCheck], code[grubDriveCheck+1] = 0x90, 0x90
	image = bytes.Clone(core)
	binary.LittleEndian.PutUint64(image[grubBlockList:], lba+1)
	binary.LittleEndian.PutUint16(image[grubBlockList+8:], uint16(rest))
	return code, image, nil
}
