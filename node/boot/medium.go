package boot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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

// name is what names of clusters and images are made of.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,79}$`)

// readMedium reads what a medium has in a folder, and holds it against the
// kernel line: another boot ISO is none for this machine.
func readMedium(dir string, l *line) (*medium, error) {
	m := &medium{}
	data, err := readSmall(filepath.Join(dir, aboutFile))
	if err != nil {
		return nil, fmt.Errorf("it is no boot ISO: %w", err)
	}
	if err := json.Unmarshal(data, &m.about); err != nil {
		return nil, fmt.Errorf("reading %s: %w", aboutFile, err)
	}
	if !name.MatchString(m.about.Cluster) || !name.MatchString(m.about.Image) {
		return nil, fmt.Errorf("reading %s: it names no image of a cluster", aboutFile)
	}
	f, err := os.Open(filepath.Join(dir, diskFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != m.about.Disk.Size {
		return nil, fmt.Errorf("%s has %d bytes, and should have %d", diskFile, info.Size(), m.about.Disk.Size)
	}
	if m.table, err = readTable(f, imageSector); err != nil {
		return nil, fmt.Errorf("reading %s: %w", diskFile, err)
	}
	if !m.table.has(l.guids()) {
		return nil, fmt.Errorf("it has image %s of cluster %s, which is not the one that was started", m.about.Image, m.about.Cluster)
	}
	return m, nil
}

// maxSmall bounds the small files that are read, in bytes.
const maxSmall = 64 << 10

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(f, maxSmall+1)); err != nil || n > maxSmall {
		return nil, errors.Join(fmt.Errorf("reading %s: more than %d bytes, or none that can be read", filepath.Base(path), maxSmall), err)
	}
	return b.Bytes(), nil
}

// fetchMedium has the boot ISO fetched, and mounts the file.
func (b *boot) fetchMedium(ctx context.Context) (*medium, error) {
	if b.Fetch == nil {
		return nil, errors.New("fetching the boot ISO: this program cannot fetch from ingot.medium=")
	}
	dir := b.at(fetchDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := b.Fetch(ctx, b.line.text, dir)
	if err != nil {
		return nil, fmt.Errorf("fetching the boot ISO: %w", err)
	}
	device, err := b.system.attach(file)
	if err != nil {
		return nil, err
	}
	return b.tryMedium(device)
}

// attachRoot makes devices of what the root is made of, and of the config ISO.
func (b *boot) attachRoot(m *medium) error {
	for _, l := range loops {
		device, err := b.system.attach(b.at(mediumDir + "/" + l[0]))
		if err != nil {
			return err
		}
		link := b.at(runDir + "/" + l[1])
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(device, link); err != nil {
			return err
		}
	}
	for _, file := range []string{mediumDir + "/" + configFile, fetchDir + "/" + configFile} {
		if _, err := os.Stat(b.at(file)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if m.config != "" {
			return errors.New("both the boot ISO and what was fetched with it have an identity")
		}
		device, err := b.system.attach(b.at(file))
		if err != nil {
			return err
		}
		m.config = device
	}
	return nil
}
