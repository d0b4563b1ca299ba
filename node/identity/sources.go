package identity

import (
	"os"
	"strings"
)

// noIdentity says that there is none, and where one was looked for, so that a
// person at the console knows what to attach.
func (c *check) noIdentity() {
	labels, reader := []string{"config-2", "CONFIG-2"}, "ignition"
	if c.image != nil && c.image.Provisioning == "cloud-init" {
		labels, reader = append(labels, "cidata", "CIDATA"), "cloud-init"
	}
	looked, found := c.sources(labels, reader)
	hint := "attach this node's config.iso (label config-2) and start the machine again"
	if found {
		hint = "the machine has something to read it from, but nothing came of it: see journalctl -b -t ingot"
		if reader == "cloud-init" {
			hint = "the machine has something to read it from, but nothing came of it: see cloud-init status --long"
		}
	} else if reader == "ignition" && c.drive("cidata") {
		hint = "the drive cidata is for cloud-init, and this image reads Ignition: attach this node's config.iso (label config-2) and start the machine again"
	}
	c.problem("no identity: %s; looked at: %s", hint, strings.Join(looked, "; "))
}

// drive reports whether there is a volume with a label (udev's name for it).
func (c *check) drive(label string) bool { return exists(c.at("/dev/disk/by-label/" + label)) }

// sources lists the places that an identity can come from, each with what is
// there, and whether anything is.
func (c *check) sources(labels []string, reader string) (looked []string, found bool) {
	say := func(place, what string, there bool) {
		found = found || there
		looked = append(looked, place+": "+what)
	}
	drives := "none"
	for _, label := range labels {
		if c.drive(label) {
			drives = label
			break
		}
	}
	say("drives labelled "+strings.Join(labels, ", "), drives, drives != "none")
	if reader == "ignition" {
		// Only Ignition reads a config there (its documentation, "QEMU").
		const config = "/sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw"
		say("QEMU's fw_cfg opt/com.coreos/config", presence(exists(c.at(config))), exists(c.at(config)))
	}
	vendor := c.vendor()
	what := "not a machine of VMware"
	if strings.HasPrefix(vendor, "VMware") {
		// What is set there is not asked for: it may be the identity itself.
		what = "a machine of VMware, set guestinfo." + reader + ".config.data"
		if reader == "cloud-init" {
			what = "a machine of VMware, set guestinfo.userdata"
		}
	}
	say("VMware's guestinfo", what, false)
	what = "not a droplet"
	if vendor == "DigitalOcean" {
		what = "a droplet, set its user data"
	}
	say("DigitalOcean's user data", what, false)
	return looked, found
}

func presence(there bool) string {
	if there {
		return "there"
	}
	return "none"
}

// vendor is what the machine's firmware says who made it.
func (c *check) vendor() string {
	// Files of /sys say they have 4096 bytes, and are all read at once.
	data, err := os.ReadFile(c.at("/sys/class/dmi/id/sys_vendor"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
