package boot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Names on the boot ISO (its volume and files), which the writer of boot ISOs
// has too.
const (
	volumeLabel = "INGOT_BOOT"
	aboutFile   = "ingot.json"
	diskFile    = "disk.img"
	configFile  = "config.iso"
)

// Where things are on the machine. The scripts of the initrd know them.
const (
	runDir    = "/run/ingot"
	mediumDir = runDir + "/medium"
	fetchDir  = runDir + "/fetched"
	stateDisk = runDir + "/state.disk"
	notedFile = runDir + "/boot.json"
)

// loops are the files of the medium that the root is made of, by the names that
// the script finds them by below runDir.
var loops = [][2]string{
	{"root.squashfs", "root.data"}, {"root.verity", "root.tree"},
	{"cluster.squashfs", "cluster.data"}, {"cluster.verity", "cluster.tree"},
}

const (
	// mediumPatience is how long is waited for the medium: as long as the script
	// root waits for a disk.
	mediumPatience = 5 * time.Minute
	mediumPause    = time.Second
	maxMediumPause = 16 * time.Second
	isoSector      = 2048
	// volumeAt is where the label of an ISO 9660 volume stands, and volumeSize
	// how much it has (ECMA-119, 8.4: sector 16, bytes 40 to 71), in bytes.
	volumeAt   = 16*isoSector + 40
	volumeSize = 32
	isoMagicAt = 16*isoSector + 1
)

// about is the content of ingot.json.
type about struct {
	Cluster string `json:"cluster"`
	Image   string `json:"image"`
	Disk    struct {
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
	} `json:"disk"`
}

// medium is the boot ISO that the machine was started from.
type medium struct {
	about  about
	device string // that it is on
	table  *Table // of the image
	config string // loop device of its config ISO; empty without one
}

// findMedium finds the boot ISO, and mounts it.
func (b *boot) findMedium(ctx context.Context) (*medium, error) {
	if b.line.medium != "" {
		return b.fetchMedium(ctx)
	}
	var last error
	for waited, pause := time.Duration(0), mediumPause; waited < mediumPatience; waited, pause = waited+pause, min(2*pause, maxMediumPause) {
		b.settle(ctx)
		candidates, err := b.volumes()
		if err != nil {
			return nil, err
		}
		m, err := b.tryAll(candidates)
		if m != nil || errors.Is(err, errSeveral) {
			return m, err
		}
		if last = err; ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), last)
		}
		b.system.wait(pause)
	}
	if last != nil {
		return nil, fmt.Errorf("looking for the boot ISO: %w", last)
	}
	return nil, errors.New("looking for the boot ISO: no drive has a volume " + volumeLabel + ": is its controller one that the image has a driver for? Was it taken out?")
}

var errSeveral = errors.New("more than one drive has this boot ISO: take all but one out, so that it is known whose identity is meant")

// tryAll takes the volume that this machine was started from.
func (b *boot) tryAll(devices []string) (*medium, error) {
	var found *medium
	var problems []error
	for _, device := range devices {
		m, err := b.tryMedium(device)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		// Another must not be mounted over it while it is looked at.
		if err := b.system.unmount(b.at(mediumDir)); err != nil {
			return nil, err
		}
		if found != nil {
			return nil, errSeveral
		}
		found = m
	}
	if found == nil {
		return nil, errors.Join(problems...)
	}
	return found, b.system.mount(b.at(found.device), b.at(mediumDir), "iso9660")
}

// volumes are the drives with a volume of the label, whatever udev has found:
// whole ones, as sticks have a partition table beside it.
func (b *boot) volumes() ([]string, error) {
	all, err := blocks(b.Root)
	if err != nil {
		return nil, fmt.Errorf("looking for the boot ISO: %w", err)
	}
	var out []string
	for _, dev := range all {
		if dev.whole() && isVolume(b.at(dev.path()), volumeLabel) {
			out = append(out, dev.path())
		}
	}
	return out, nil
}

// isVolume reports whether a device has an ISO 9660 volume of a label.
func isVolume(path, label string) bool {
	f, err := openRead(path)
	if err != nil {
		return false // a drive without a disc
	}
	defer func() { _ = f.Close() }() // nothing was written
	magic, name := make([]byte, 5), make([]byte, volumeSize)
	_, err = f.ReadAt(magic, isoMagicAt)
	_, err2 := f.ReadAt(name, volumeAt)
	return err == nil && err2 == nil && string(magic) == "CD001" && strings.TrimRight(string(name), " ") == label
}

// tryMedium mounts a volume. Without an error it stays mounted.
func (b *boot) tryMedium(device string) (*medium, error) {
	dir := b.at(mediumDir)
	if err := b.system.mount(b.at(device), dir, "iso9660"); err != nil {
		return nil, err
	}
	m, err := readMedium(dir, b.line)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", device, err), b.system.unmount(dir))
	}
	m.device = device
	return m, nil
}
