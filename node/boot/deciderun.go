package boot

import (
	"fmt"
	"slices"

	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// states are the disks with the state of a machine.
func (d *decision) states() []*Disk {
	return slices.DeleteFunc(slices.Clone(d.all), func(disk *Disk) bool { return disk.Medium || !disk.Holds.hasState() })
}

// useState runs with the state of a disk.
func (d *decision) useState(disk *Disk, u use) (*Plan, error) {
	if disk.ReadOnly {
		return nil, d.refuse(u, "the state of this machine is on "+disk.String()+", which can only be read", "let it be written to")
	}
	p := &Plan{Action: UseState, Disk: disk, Why: "it has the state of this machine", Installed: disk.Holds.Table.installed(d.Image.Table)}
	if p.Installed {
		p.Why = "it has this image and the state of this machine"
	}
	return p, nil
}

// run decides about a machine that runs from the medium.
func (d *decision) run() (*Plan, error) {
	rule := ""
	if d.Setting.Run != nil {
		rule = d.Setting.Run.Disk
	}
	u := use{what: "the state", room: minState + tableRoom, rule: !setting.Named(rule)}
	if setting.Named(rule) {
		disk, err := d.named(rule, u, setRun)
		if err != nil {
			return nil, err
		}
		return d.stateOn(disk, u)
	}
	switch states := d.states(); len(states) {
	case 0:
	case 1:
		return d.useState(states[0], u)
	default:
		return nil, d.refuse(u, "more than one disk has the state of a machine", setRun+"; or take the others away")
	}
	if i := slices.IndexFunc(d.all, func(disk *Disk) bool { return disk.Holds.doubtful() }); i >= 0 {
		return nil, d.refuse(u, fmt.Sprintf("no disk has the state of this machine, unless it is on %s, which holds %s", d.all[i], &d.all[i].Holds),
			setRun+"; or mend that disk, or take it away")
	}
	empty := slices.DeleteFunc(d.fitting(u), func(disk *Disk) bool { return !disk.Holds.Blank() })
	if rule == "" && len(d.fitting(u)) > 1 {
		return nil, d.refuse(u, "no disk has the state of this machine, and nothing says on which of several it is to be made", setRun)
	}
	// What was begun on one disk is not begun again on another that comes later.
	if begun := slices.DeleteFunc(slices.Clone(empty), func(disk *Disk) bool { return !disk.Holds.Begun }); len(begun) == 1 {
		return d.stateOn(begun[0], u)
	}
	disk := pick(empty, rule)
	if disk == nil {
		return nil, d.refuse(u, "no disk has the state of this machine, and none is empty and fit for it", "wipe the disk that is meant, or add one")
	}
	return d.stateOn(disk, u)
}

// stateOn runs with the state of this disk, which is made if it is empty.
func (d *decision) stateOn(disk *Disk, u use) (*Plan, error) {
	switch {
	case disk.Holds.hasState():
		return d.useState(disk, u)
	case disk.Holds.Blank():
		return &Plan{Action: MakeState, Disk: disk, Why: "it holds " + disk.Holds.String()}, nil
	}
	return nil, d.refuse(u, fmt.Sprintf("the state cannot be made on %s: it holds %s", disk, &disk.Holds),
		"wipe it if nothing on it is needed, or name another disk")
}
