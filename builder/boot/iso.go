package boot

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder/boot/fat"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
	"github.com/ingot-k8s/ingot/images/iso"
)

// LabelISO is the label of the boot ISO's volume, by which machines find it.
const LabelISO = "INGOT_BOOT"

// Labels of the boot ISO's partitions, which are there for firmware alone.
const (
	labelISOBIOS = "boot-bios"
	labelISOESP  = "boot-esp"
)

// ISOParts are what a boot ISO is composed of.
type ISOParts struct {
	Parts                    // of the disk image
	BootInitrd images.Source // what the initrd needs beside its own to start from the ISO
	About      About
	Date       time.Time
	Rescue     bool // whether the menu has a rescue shell
	// Config is the config ISO of a node; nil for none.
	Config images.Source
}

// About is the file ingot.json of a boot ISO.
type About struct {
	Cluster string    `json:"cluster"`
	Image   string    `json:"image"`
	Disk    AboutDisk `json:"disk"`
	// Line is the image's kernel line, for who starts it in another way.
	Line string `json:"kernelLine"`
}

// AboutDisk is the disk image, which is the file disk.img.
type AboutDisk struct {
	Size   int64  `json:"size"`   // in bytes
	SHA256 string `json:"sha256"` // in hexadecimal
}

// ISO composes a boot ISO around a disk image: a hybrid that BIOS and UEFI start
// from a CD or, written to it as it is, from a USB stick. It has the image as
// one file, and the image's partitions as others. The size and hash of the image
// have to be in p.About. Its bytes follow from the parts alone.
func ISO(p ISOParts) (*images.Disk, error) {
	disk, err := p.compose()
	if err != nil {
		return nil, fmt.Errorf("composing boot ISO: %w", err)
	}
	return disk, nil
}

func (p *ISOParts) compose() (*images.Disk, error) {
	image, table, err := Disk(p.Parts)
	if err != nil {
		return nil, err
	}
	if image.Size() != p.About.Disk.Size {
		return nil, fmt.Errorf("the disk image has %d bytes, and not %d", image.Size(), p.About.Disk.Size)
	}
	args, err := KernelLine(p.Root.Hash, p.Cluster.Hash, p.KernelArgs)
	if err != nil {
		return nil, err
	}
	esp, places, err := p.esp(args)
	if err != nil {
		return nil, err
	}
	layout, err := p.head(esp)
	if err != nil {
		return nil, err
	}
	plan, err := layout.Plan()
	if err != nil {
		return nil, err
	}
	// Behind the partitions there is room for the table's copy, from which on
	// the image and the identity are put; the copy moves to the end.
	v := &isoVolume{
		parts: p, image: int64(plan.Sectors)*gpt.SectorSize - gpt.Alignment, imageSize: image.Size(), table: table,
		esp: plan.Entries[1].Offset(), espSize: esp.Size(), places: places, args: args,
	}
	v.config = v.image + image.Size()
	layout.Size = v.config + gpt.Alignment
	layout.Others = []images.Part{{Offset: v.image, Content: image}}
	if p.Config != nil {
		layout.Size += roundUp(p.Config.Size())
		layout.Others = append(layout.Others, images.Part{Offset: v.config, Content: p.Config})
	}
	volume, err := v.compose(layout.Size)
	if err != nil {
		return nil, err
	}
	layout.Others = append(layout.Others, volume...)
	return layout.Disk()
}

func roundUp(n int64) int64 { return (n + gpt.Alignment - 1) / gpt.Alignment * gpt.Alignment }

// isoBootInitrd is the second initrd's name in the ESP, which has short ones.
const isoBootInitrd = "boot.rd"

// esp composes the ESP of the ISO. Its files are where the volume can have them
// as well.
func (p *ISOParts) esp(args []string) (*images.Disk, map[string]int64, error) {
	files := append(p.GRUB.programs(),
		fat.File{Path: grubConfigFile, Content: images.Bytes([]byte(menu(args, "/"+isoBootInitrd, p.Rescue)))},
		fat.File{Path: "vmlinuz", Content: p.Kernel},
		fat.File{Path: "initrd", Content: p.Initrd},
		fat.File{Path: isoBootInitrd, Content: p.BootInitrd},
	)
	id := gpt.Derive(p.seed(), "esp")
	disk, places, err := fat.NewPlaced(fat.Config{
		Size: max(fat.MinSize, roomFor(files)), ID: binary.LittleEndian.Uint32(id[:]), Label: "INGOT_BOOT", Files: files, Align: iso.SectorSize,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making ESP: %w", err)
	}
	return disk, places, nil
}

// seed keeps the partitions from having the GUIDs of an installed disk.
func (p *ISOParts) seed() []byte {
	return append(append([]byte("boot ISO\x00"), p.Root.Hash[:]...), p.Cluster.Hash[:]...)
}

// head is the partition table, with which firmware starts a USB stick.
func (p *ISOParts) head(esp images.Source) (gpt.Layout, error) {
	code, core, err := gpt.InstallGRUB(p.GRUB.Boot, p.GRUB.Core, gpt.Alignment/gpt.SectorSize)
	if err != nil {
		return gpt.Layout{}, err
	}
	return gpt.Layout{Seed: p.seed(), BootCode: code, Partitions: []gpt.Partition{
		{Label: labelISOBIOS, Type: gpt.BIOSBoot, Attributes: gpt.NoAuto, Size: biosSize, Content: images.Bytes(core)},
		{Label: labelISOESP, Type: gpt.EFI, Attributes: gpt.NoAuto | gpt.ReadOnly, Content: esp},
	}}, nil
}

// isoVolume is the ISO 9660 volume over the whole. Places are in bytes.
type isoVolume struct {
	parts            *ISOParts
	image, imageSize int64
	table            *gpt.Table // of the image
	esp, espSize     int64
	places           map[string]int64 // of files in the ESP
	config           int64
	args             []string
}

// Paths of the volume's files.
const (
	isoDisk     = "disk.img"
	isoESP      = "efi.img"
	isoElTorito = "EFI/debian/eltorito.img"
)

func (v *isoVolume) compose(size int64) ([]images.Part, error) {
	p := v.parts
	is := p.About
	is.Line = strings.Join(v.args, " ")
	about, err := json.Marshal(is)
	if err != nil {
		return nil, fmt.Errorf("describing it: %w", err)
	}
	own := func(path string, data []byte) iso.File { return iso.File{Path: path, Content: images.Bytes(data)} }
	files := []iso.File{
		own("ingot.json", append(about, '\n')),
		own(grubConfigFile, []byte(menu(v.args, "/boot.initrd", p.Rescue))),
		own(isoElTorito, p.GRUB.CD),
		{Path: isoDisk, Offset: v.image, Size: v.imageSize},
		{Path: isoESP, Offset: v.esp, Size: v.espSize},
		{Path: "vmlinuz", Offset: v.esp + v.places["vmlinuz"], Size: p.Kernel.Size()},
		{Path: "initrd", Offset: v.esp + v.places["initrd"], Size: p.Initrd.Size()},
		{Path: "boot.initrd", Offset: v.esp + v.places[isoBootInitrd], Size: p.BootInitrd.Size()},
	}
	for label, file := range map[string]struct {
		path    string
		content images.Source
	}{
		LabelRoot: {"root.squashfs", p.Root.Data}, LabelRootTree: {"root.verity", p.Root.Tree},
		LabelCluster: {"cluster.squashfs", p.Cluster.Data}, LabelClusterTree: {"cluster.verity", p.Cluster.Tree},
	} {
		for _, e := range v.table.Entries {
			if e.Label == label {
				files = append(files, iso.File{Path: file.path, Offset: v.image + e.Offset(), Size: file.content.Size()})
			}
		}
	}
	if p.Config != nil {
		files = append(files, iso.File{Path: "config.iso", Offset: v.config, Size: p.Config.Size()})
	}
	return iso.New(iso.Config{Label: LabelISO, Time: p.Date, Size: size, Files: files, Boot: []iso.Boot{
		{Platform: iso.BIOS, Path: isoElTorito, Load: 4, InfoTable: true}, // cdboot.img, which loads the rest
		{Platform: iso.UEFI, Path: isoESP},
	}})
}
