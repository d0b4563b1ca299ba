package boot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// Action is what is done with a machine.
type Action string

// The actions.
const (
	// UseState runs the machine from the medium, with the state that a disk has.
	UseState Action = "run"
	// MakeState does so, and the state is made on an empty disk.
	MakeState Action = "run, with new state"
	// Write writes the image to a disk.
	Write Action = "install"
	// Finish goes on with a disk that has the image, and no state yet.
	Finish Action = "finish the installation"
	// Shell gives a person a shell.
	Shell Action = "rescue"
)

// Facts are what is decided by.
type Facts struct {
	Mode    Mode
	Setting setting.Setting // of the identity; empty without one
	From    string          // where the setting is from, in words; empty without one
	Image   Image
	Disks   []Disk
}

// Image is what the medium has.
type Image struct {
	ID    string
	Size  int64  // of the disk, bytes
	Table *Table // of the disk
}

// Plan is what is done, and why. Disk is nil for a shell.
type Plan struct {
	Action Action
	Disk   *Disk
	Why    string // a sentence without a full stop
	// Installed says that the disk has this very image: the medium is not needed.
	Installed bool
}

// Refusal says why nothing is done with a machine.
type Refusal struct {
	Why   string
	Do    string   // what a person could do
	Disks []string // a line for each
}

// Error is all of it in one line.
func (r *Refusal) Error() string {
	return strings.Join(append([]string{r.Why, r.Do}, r.Disks...), "; ")
}

// Decide decides what is done with a machine. The error is a *[Refusal].
// Nothing but what the facts say plays a part, so that the same machine with
// the same medium gets the same answer at every boot.
func Decide(f Facts) (*Plan, error) {
	if f.Mode == Rescue {
		return &Plan{Action: Shell, Why: "the boot menu says so"}, nil
	}
	d := &decision{Facts: f}
	for i := range f.Disks {
		d.all = append(d.all, &f.Disks[i])
	}
	slices.SortStableFunc(d.all, byPort)
	switch {
	case f.Mode == Install || f.Mode == Auto && f.Setting.Install != nil:
		return d.install()
	case f.Mode == RunIt || f.Mode == Auto && f.Setting.Run != nil:
		return d.run()
	}
	return d.unsaid()
}

// decision is a decision under way.
type decision struct {
	Facts
	all []*Disk // in the order of their ports
}

// refuse makes a refusal that lists the disks, with what keeps each from a use.
func (d *decision) refuse(u use, why, do string) error {
	r := &Refusal{Why: why, Do: do}
	for _, disk := range d.all {
		text := disk.String() + ": holds " + disk.Holds.String()
		if reason := disk.unfit(u); reason != "" {
			text = disk.String() + ": " + reason
		}
		if len(disk.IDs) > 0 {
			text += "; " + disk.IDs[0]
		}
		r.Disks = append(r.Disks, text)
	}
	if len(d.all) == 0 {
		r.Disks = []string{"the machine has no disk that is seen: is its controller one that the image has a driver for?"}
	}
	return r
}

// where says where a setting is made.
const (
	setInstall = "say in the definition which it is (install: {disk: /dev/disk/by-id/...} of the node), and make the node's ISO again"
	setRun     = "say in the definition which it is (run: {disk: /dev/disk/by-id/...} of the node), and make the node's ISO again"
)

// fitting are the disks that a rule may choose.
func (d *decision) fitting(u use) []*Disk {
	u.rule = true
	return slices.DeleteFunc(slices.Clone(d.all), func(disk *Disk) bool { return disk.unfit(u) != "" })
}

// named finds the disk that a rule names.
func (d *decision) named(rule string, u use, do string) (*Disk, error) {
	i := slices.IndexFunc(d.all, func(disk *Disk) bool { return slices.Contains(disk.IDs, rule) })
	if i < 0 {
		return nil, d.refuse(u, "no disk of this machine is "+rule, do)
	}
	if reason := d.all[i].unfit(u); reason != "" {
		return nil, d.refuse(u, fmt.Sprintf("%s is %s, which cannot be used: %s", rule, d.all[i], reason), do)
	}
	return d.all[i], nil
}

// pick takes one of some disks by a rule. Without a rule, which only a choice
// in the menu can be, it takes the only one.
func pick(disks []*Disk, rule string) *Disk {
	switch {
	case len(disks) == 0:
		return nil
	case rule == setting.Smallest:
		return slices.MinFunc(disks, bySize)
	case rule == setting.First:
		return slices.MinFunc(disks, byPort)
	case len(disks) == 1:
		return disks[0]
	}
	return nil
}

// unsaid decides where neither the menu nor the identity says anything.
func (d *decision) unsaid() (*Plan, error) {
	u := use{what: "the state", room: minState, rule: true}
	const do = "choose in the boot menu, or say in the definition what the machine is to do (install: or run: of the node, or boot: for all), and make the node's ISO again"
	switch states := d.states(); len(states) {
	case 0:
		return nil, d.refuse(u, "neither "+orIdentity(d.From)+" nor the boot menu says what to do with this machine, and no disk has its state", do)
	case 1:
		return d.useState(states[0], u)
	default:
		return nil, d.refuse(u, "neither "+orIdentity(d.From)+" nor the boot menu says what to do with this machine, and more than one disk has a state", do)
	}
}

func orIdentity(from string) string {
	if from == "" {
		return "an identity"
	}
	return from
}
