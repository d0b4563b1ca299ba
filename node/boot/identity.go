package boot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// configLabels are those of volumes with an identity, in the order in which the
// script provision takes them.
var configLabels = []string{"config-2", "CONFIG-2", "cidata", "CIDATA"}

const (
	configDir = runDir + "/boot-config"
	// maxConfigISO bounds the config ISOs that are compared, in bytes.
	maxConfigISO = 80 << 20
)

// identity reads what the identity says about the boot: that on the medium, or
// on a drive of its own. From says in words where it was; empty without one.
func (b *boot) identity(m *medium) (s setting.Setting, from string, err error) {
	drives, err := b.drives(m)
	if err != nil {
		return s, "", err
	}
	if m.config != "" {
		for _, drive := range drives {
			if same, err := b.same(m.config, drive.path()); err != nil || !same {
				return s, "", errors.Join(fmt.Errorf("the boot ISO has an identity, and %s has another: take it away, or use a boot ISO without one", drive.path()), err)
			}
		}
		return b.readSetting(m.config, "iso9660", "the identity on the boot ISO")
	}
	if len(drives) == 0 {
		return s, "", nil
	}
	if len(drives) > 1 {
		return s, "", fmt.Errorf("%s and %s both have an identity: take one away", drives[0].path(), drives[1].path())
	}
	return b.readSetting(drives[0].path(), drives[0].env["ID_FS_TYPE"], "the identity on "+drives[0].path())
}

// drives are the devices with an identity, other than that of the medium. A
// stick may show one volume twice: as a whole and as its part.
func (b *boot) drives(m *medium) ([]*block, error) {
	all, err := blocks(b.Root)
	if err != nil {
		return nil, fmt.Errorf("looking for an identity: %w", err)
	}
	var out []*block
	for _, dev := range all {
		if dev.path() == m.config || dev.path() == m.device || !slices.Contains(configLabels, dev.label()) {
			continue
		}
		if dev.has("partition") && slices.ContainsFunc(out, func(w *block) bool { return w.text("dev") == dev.env["ID_PART_ENTRY_DISK"] }) {
			continue
		}
		out = append(out, dev)
	}
	return out, nil
}

// readSetting reads boot.json of a volume; one without it says nothing.
func (b *boot) readSetting(device, kind, from string) (s setting.Setting, _ string, err error) {
	if kind != "iso9660" && kind != "vfat" {
		return s, "", fmt.Errorf("%s has a file system %q, which no identity has (iso9660, vfat)", device, kind)
	}
	dir := b.at(configDir)
	if err := b.system.mount(b.at(device), dir, kind); err != nil {
		return s, "", err
	}
	defer func() { err = errors.Join(err, b.system.unmount(dir)) }()
	// A name on the drive must not lead to a file of the machine.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, "", err
	}
	defer func() { _ = root.Close() }() // nothing was written
	f, err := root.Open(setting.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, from, nil
	}
	if err != nil {
		return s, "", fmt.Errorf("%s: %w", from, err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	var data bytes.Buffer
	if _, err := io.Copy(&data, io.LimitReader(f, setting.MaxSize+1)); err != nil {
		return s, "", fmt.Errorf("%s: %w", from, err)
	}
	parsed, err := setting.Parse(data.Bytes())
	if err != nil {
		return s, "", fmt.Errorf("%s: %w", from, err)
	}
	return *parsed, from, nil
}

// same compares two volumes by their bytes, those behind the end of the shorter
// one excepted: drives are larger than what was written to them.
func (b *boot) same(config, drive string) (bool, error) {
	first, err := openRead(b.at(config))
	if err != nil {
		return false, err
	}
	defer func() { _ = first.Close() }() // nothing was written
	second, err := openRead(b.at(drive))
	if err != nil {
		return false, err
	}
	defer func() { _ = second.Close() }() // nothing was written
	one, other := sha256.New(), sha256.New()
	n, err := io.Copy(one, io.LimitReader(first, maxConfigISO))
	if err != nil {
		return false, err
	}
	if _, err := io.CopyN(other, second, n); err != nil {
		return false, nil // it is shorter, or cannot be read: another one
	}
	return bytes.Equal(one.Sum(nil), other.Sum(nil)), nil
}
