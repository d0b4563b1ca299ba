package boot

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// block is a block device as kernel and udev know it.
type block struct {
	root, name string            // name is the kernel's
	links      []string          // in /dev, sorted
	env        map[string]string // udev's properties
}

// blocks lists the block devices that have a size, in the order of their names.
func blocks(root string) ([]*block, error) {
	dir := filepath.Join(root, "sys/class/block")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []*block
	for _, e := range entries {
		b := &block{root: root, name: e.Name(), env: map[string]string{}}
		if b.number("size") > 0 && b.number("hidden") == 0 {
			b.readUdev()
			out = append(out, b)
		}
	}
	return out, nil
}

// readUdev reads what udev keeps of a device (systemd,
// src/libsystemd/sd-device/device-private.c, device_update_db): a line with a
// letter for each link and property.
func (b *block) readUdev() {
	data, err := os.ReadFile(filepath.Join(b.root, "run/udev/data/b"+b.text("dev")))
	if err != nil {
		return // udev knows nothing of it
	}
	for line := range strings.Lines(string(data)) {
		kind, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		switch kind {
		case "S":
			b.links = append(b.links, "/dev/"+value)
		case "E":
			name, v, _ := strings.Cut(value, "=")
			b.env[name] = v
		}
	}
	slices.Sort(b.links)
}

// text is an attribute of the device; empty where it has none.
func (b *block) text(attribute string) string {
	data, err := os.ReadFile(filepath.Join(b.root, "sys/class/block", b.name, attribute))
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(printable(string(data))), " ")
}

// number is an attribute that is a number; 0 where it is none.
func (b *block) number(attribute string) int64 {
	n, err := strconv.ParseInt(b.text(attribute), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (b *block) has(attribute string) bool {
	_, err := os.Stat(filepath.Join(b.root, "sys/class/block", b.name, attribute))
	return err == nil
}

// path is where the device is, as the machine names it: the kernel writes ! for
// a slash.
func (b *block) path() string { return "/dev/" + strings.ReplaceAll(b.name, "!", "/") }

// bytes is the size of the device: the kernel counts in 512 bytes whatever its
// sectors have.
func (b *block) bytes() int64 { return b.number("size") * 512 }

// label is that of a file system on the device.
func (b *block) label() string { return b.env["ID_FS_LABEL"] }

// scsiCD is the type of CD drives (SPC-5, "PERIPHERAL DEVICE TYPE").
const scsiCD = 5

// whole reports a device of its own: neither a part of one, nor one that the
// kernel makes of others.
func (b *block) whole() bool { return b.has("device") && !b.has("partition") }

func (b *block) cd() bool {
	return b.number("device/type") == scsiCD || b.env["ID_CDROM"] == "1"
}

// usbBus is in the path of what is attached by USB, whatever speaks behind the
// bridge.
var usbBus = regexp.MustCompile(`/usb[0-9]+/`)

func (b *block) usb() bool {
	path, err := filepath.EvalSymlinks(filepath.Join(b.root, "sys/class/block", b.name))
	return b.env["ID_BUS"] == "usb" || err == nil && usbBus.MatchString(path)
}

// auxiliary are parts of flash cards that are devices of their own, and floppies.
var auxiliary = regexp.MustCompile(`^(mmcblk[0-9]+(boot[0-9]+|rpmb|gp[0-9]+)|fd[0-9]+)$`)

// disk reports whether the device is a disk.
func (b *block) disk() bool { return b.whole() && !b.cd() && !auxiliary.MatchString(b.name) }

// serial is the serial number, as lsblk finds it.
func (b *block) serial() string {
	for _, s := range []string{b.env["ID_SCSI_SERIAL"], b.env["ID_SERIAL_SHORT"], b.text("serial"), b.text("device/serial"), b.env["ID_SERIAL"]} {
		if s = strings.TrimSpace(printable(s)); s != "" {
			return s
		}
	}
	return ""
}

// model is the name of the product.
func (b *block) model() string {
	vendor, model := b.text("device/vendor"), b.text("device/model")
	if strings.HasPrefix(vendor, "0x") || vendor == "ATA" {
		vendor = "" // a number of virtio, and what SATA says of itself
	}
	if m := printable(b.env["ID_MODEL"]); model == "" {
		model = strings.ReplaceAll(m, "_", " ")
	}
	return strings.TrimSpace(vendor + " " + model)
}

// printable drops what a disk may have in its names and a console may not.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}
