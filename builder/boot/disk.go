package boot

import (
	"fmt"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
)

// Labels of the partitions, in order. The machine adds State on its first boot,
// and lets it have all room there is.
const (
	LabelBIOS        = "bios"
	LabelESP         = "esp"
	LabelRoot        = "root"
	LabelRootTree    = "root-verity"
	LabelCluster     = "cluster"
	LabelClusterTree = "cluster-verity"
	LabelState       = "ingot-state"
)

// biosSize is the size of the partition for core.img.
const biosSize = 1 << 20

// Parts are what a disk is composed of.
type Parts struct {
	GRUB           *GRUB
	Kernel, Initrd images.Source
	Root, Cluster  FileSystem
	KernelArgs     []string // of the definition, after our own
	// Size of the disk in bytes, a multiple of 1 MiB; 0 means the smallest.
	// The machine needs 512 MiB more for its state.
	Size int64
}

// Disk composes the disk, and tells what is where on it. Its bytes follow from
// the parts alone.
func Disk(p Parts) (*images.Disk, *gpt.Table, error) {
	layout, err := layout(p)
	if err != nil {
		return nil, nil, fmt.Errorf("composing disk: %w", err)
	}
	table, err := layout.Plan()
	if err != nil {
		return nil, nil, fmt.Errorf("composing disk: %w", err)
	}
	disk, err := layout.Disk()
	if err != nil {
		return nil, nil, fmt.Errorf("composing disk: %w", err)
	}
	return disk, table, nil
}

func layout(p Parts) (*gpt.Layout, error) {
	args, err := KernelLine(p.Root.Hash, p.Cluster.Hash, p.KernelArgs)
	if err != nil {
		return nil, err
	}
	esp, err := esp(&p, args)
	if err != nil {
		return nil, err
	}
	// The first partition begins where the alignment lets it.
	code, core, err := gpt.InstallGRUB(p.GRUB.Boot, p.GRUB.Core, gpt.Alignment/gpt.SectorSize)
	if err != nil {
		return nil, err
	}
	if len(core) > biosSize {
		return nil, fmt.Errorf("GRUB for BIOS has %d bytes, at most %d", len(core), biosSize)
	}
	const sealed = gpt.ReadOnly | gpt.NoAuto
	return &gpt.Layout{
		Seed: append(p.Root.Hash[:], p.Cluster.Hash[:]...), Size: p.Size, BootCode: code,
		Partitions: []gpt.Partition{
			{Label: LabelBIOS, Type: gpt.BIOSBoot, Size: biosSize, Content: images.Bytes(core)},
			{Label: LabelESP, Type: gpt.EFI, Attributes: gpt.NoAuto, Content: esp},
			{Label: LabelRoot, Type: gpt.RootAMD64, Attributes: sealed, GUID: p.Root.Hash.data(), Content: p.Root.Data},
			{Label: LabelRootTree, Type: gpt.RootVerityAMD64, Attributes: sealed, GUID: p.Root.Hash.tree(), Content: p.Root.Tree},
			{Label: LabelCluster, Type: gpt.UsrAMD64, Attributes: sealed, GUID: p.Cluster.Hash.data(), Content: p.Cluster.Data},
			{Label: LabelClusterTree, Type: gpt.UsrVerityAMD64, Attributes: sealed, GUID: p.Cluster.Hash.tree(), Content: p.Cluster.Tree},
		},
	}, nil
}
