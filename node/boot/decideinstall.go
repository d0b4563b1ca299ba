package boot

import (
	"fmt"
	"slices"

	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// install decides about a machine that gets the image onto a disk.
func (d *decision) install() (*Plan, error) {
	want := setting.Install{}
	if d.Setting.Install != nil {
		want = *d.Setting.Install
	}
	u := use{what: "the image with its state", room: d.Image.Size + minState, sector: imageSector, rule: !setting.Named(want.Disk)}
	disk, err := d.target(want, u)
	if err != nil {
		return nil, err
	}
	holds := &disk.Holds
	switch {
	case holds.Unfinished:
		return &Plan{Action: Write, Disk: disk, Why: "an installation was begun there and not ended"}, nil
	case holds.Table.installed(d.Image.Table) && holds.hasState():
		return d.useState(disk, u)
	case holds.Table.installed(d.Image.Table):
		return &Plan{Action: Finish, Disk: disk, Why: "it has this image already"}, nil
	case holds.Blank():
		return &Plan{Action: Write, Disk: disk, Why: "it holds " + holds.String()}, nil
	}
	return d.overwrite(disk, want.Overwrite, u)
}

// target finds the disk that is installed to.
func (d *decision) target(want setting.Install, u use) (*Disk, error) {
	if setting.Named(want.Disk) {
		return d.named(want.Disk, u, setInstall)
	}
	// What was begun on one disk is not begun again on another that comes later.
	fitting := d.fitting(u)
	begun := slices.DeleteFunc(slices.Clone(fitting), func(disk *Disk) bool {
		return !disk.Holds.Unfinished && !disk.Holds.Table.installed(d.Image.Table)
	})
	switch len(begun) {
	case 0:
	case 1:
		return begun[0], nil
	default:
		return nil, d.refuse(u, "more than one disk has this image, or an unfinished installation", setInstall)
	}
	disk := pick(fitting, want.Disk)
	switch {
	case len(fitting) == 0:
		return nil, d.refuse(u, "no disk of this machine can take the image", "add one, or make room on one")
	case disk == nil:
		return nil, d.refuse(u, "nothing says on which of several disks the image is to be installed", setInstall)
	}
	// The state of a machine is worth more than a rule.
	for _, other := range d.states() {
		if other != disk {
			return nil, d.refuse(u, fmt.Sprintf("the rule %s chooses %s, but %s has the state of a machine", orOnly(want.Disk), disk, other),
				setInstall+"; or take the other away")
		}
	}
	return disk, nil
}

func orOnly(rule string) string {
	if rule == "" {
		return `"the only one"`
	}
	return rule
}

// overwrite decides about a disk that holds something.
func (d *decision) overwrite(disk *Disk, serial string, u use) (*Plan, error) {
	why := fmt.Sprintf("the disk to install to is %s, and holds %s", disk, &disk.Holds)
	same := 0
	for _, other := range d.all {
		if other.Serial == disk.Serial {
			same++
		}
	}
	switch {
	case disk.Serial == "":
		return nil, d.refuse(u, why+"; it cannot be told by a serial number that it may be overwritten", "wipe it if nothing on it is needed, or name another disk")
	case serial == "":
		return nil, d.refuse(u, why, fmt.Sprintf("if nothing on it is needed, say so by its serial number in the definition (install: {disk: ..., overwrite: %q} of the node) and make the node's ISO again, or wipe it; or name another disk", disk.Serial))
	case serial != disk.Serial:
		return nil, d.refuse(u, fmt.Sprintf("%s; %s may be overwritten by the identity, which is not this one", why, serial), "see which of them is meant")
	case same > 1:
		return nil, d.refuse(u, fmt.Sprintf("%s; %d disks have the serial number %s, so it does not say which is meant", why, same, serial), "wipe the disk that is meant, or take the others away")
	}
	return &Plan{Action: Write, Disk: disk, Why: fmt.Sprintf("the identity says that serial number %s may be overwritten; it holds %s", serial, &disk.Holds)}, nil
}
