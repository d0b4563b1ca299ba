// Package boot decides, in the initrd of a machine that was started from a boot
// ISO, what is done with it, and does it: run from the medium with the state on
// a disk, install the image to a disk, or give a person a shell.
//
// The decision ([Decide]) is a function of facts; it touches nothing. What
// writes is [WriteImage], which leaves a disk as it was, or known as
// unfinished, or whole, wherever it is stopped.
package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Levels of syslog(3), which the kernel's log has too.
const (
	levelError  = 2 // as the scripts of the initrd have it
	levelNotice = 5
)

// How often, and with what pauses, is looked whether more devices come.
const (
	steadyTries = 20
	steadyPause = 3 * time.Second
)

// Fetcher fetches the boot ISO that ingot.medium= on the kernel line names into
// a folder of the machine's memory, and returns the file's path. A file
// config.iso in the folder is the identity that came with it.
type Fetcher func(ctx context.Context, kernelLine, dir string) (path string, err error)

// Confirmer tells who gave an identity that came with a fetched boot ISO that
// the machine keeps it: outcome is install or run. It does nothing where none
// came.
type Confirmer func(ctx context.Context, kernelLine, dir, outcome string) error

// Config is what the boot runs with.
type Config struct {
	Root    string     // of the machine: /
	Runner  run.Runner // for udevadm and systemctl
	Fetch   Fetcher    // nil where the program cannot fetch
	Confirm Confirmer  // nil where it cannot
	Now     func() time.Time
}

// Say says a line on the consoles of the machine below root, as the scripts of
// the initrd do.
func Say(root, text string) {
	log := &kernelLog{path: filepath.Join(root, "/dev/kmsg")}
	log.say(levelNotice, text)
}

// boot is a boot under way.
type boot struct {
	Config
	system system
	line   *line
	say    func(level int, text string)
}

// Run decides what is done with the machine, and does it. What it finds and
// does is said on the consoles, a failure too.
func Run(ctx context.Context, cfg Config) error {
	b := &boot{Config: cfg, system: kernel{}}
	log := &kernelLog{path: b.at("/dev/kmsg")}
	b.say = log.say
	return b.told(b.run(ctx))
}

// told says an error on the consoles.
func (b *boot) told(err error) error {
	var refusal *Refusal
	switch {
	case err == nil:
	case errors.As(err, &refusal):
		b.say(levelError, refusal.Why)
		for _, disk := range refusal.Disks {
			b.say(levelError, "  "+disk)
		}
		b.say(levelError, "what to do: "+refusal.Do)
	default:
		b.say(levelError, err.Error())
	}
	return err
}

// at is where a path of the machine is.
func (b *boot) at(path string) string { return filepath.Join(b.Root, path) }

func (b *boot) run(ctx context.Context) error {
	text, err := os.ReadFile(b.at("/proc/cmdline"))
	if err != nil {
		return err
	}
	if b.line, err = parseLine(strings.TrimSpace(string(text))); err != nil {
		return err
	}
	if b.line.mode == Rescue {
		return b.rescue(ctx)
	}
	if err := os.MkdirAll(b.at(runDir), 0o755); err != nil {
		return err
	}
	m, err := b.findMedium(ctx)
	if err != nil {
		return err
	}
	b.say(levelNotice, fmt.Sprintf("this is image %s of cluster %s, from %s", m.about.Image, m.about.Cluster, m.device))
	if err := b.attachRoot(m); err != nil {
		return err
	}
	if err := b.steady(ctx); err != nil {
		return err
	}
	facts, err := b.facts(m)
	if err != nil {
		return err
	}
	plan, err := Decide(*facts)
	if err != nil {
		return err
	}
	return b.do(ctx, m, plan)
}

// steady waits until no more devices come: a controller may take some seconds
// to find its disks, and a state that is not seen yet must not be made anew.
func (b *boot) steady(ctx context.Context) error {
	before := ""
	for range steadyTries {
		b.settle(ctx)
		all, err := blocks(b.Root)
		if err != nil {
			return fmt.Errorf("looking for disks: %w", err)
		}
		now := ""
		for _, dev := range all {
			now += dev.path() + " "
		}
		if now == before {
			return nil
		}
		before = now
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.system.wait(steadyPause)
	}
	return nil // they come and go; what is there now is decided by
}

// facts gathers what is decided by.
func (b *boot) facts(m *medium) (*Facts, error) {
	s, from, err := b.identity(m)
	if err != nil {
		return nil, err
	}
	disks, err := scan(b.Root, m.device)
	if err != nil {
		return nil, err
	}
	image := Image{ID: m.about.Image, Size: m.about.Disk.Size, Table: m.table}
	return &Facts{Mode: b.line.mode, Setting: s, From: from, Image: image, Disks: disks}, nil
}

// do carries a plan out.
func (b *boot) do(ctx context.Context, m *medium, p *Plan) error {
	switch p.Action {
	case Write:
		b.say(levelNotice, fmt.Sprintf("installing image %s to %s: %s", m.about.Image, p.Disk, p.Why))
		if err := b.write(ctx, m, p.Disk); err != nil {
			return fmt.Errorf("installing to %s: %w", p.Disk, err)
		}
	case Finish:
		b.say(levelNotice, fmt.Sprintf("going on with the installation to %s: %s", p.Disk, p.Why))
	case MakeState:
		b.say(levelNotice, fmt.Sprintf("running from the boot ISO, with a state that is made on %s: %s", p.Disk, p.Why))
		if err := b.begin(p.Disk); err != nil {
			return fmt.Errorf("beginning the state on %s: %w", p.Disk, err)
		}
	case UseState:
		b.say(levelNotice, fmt.Sprintf("running from the boot ISO, with the state on %s: %s", p.Disk, p.Why))
		if p.Installed {
			b.say(levelNotice, fmt.Sprintf("image %s is installed on %s: take the boot ISO out, and the machine starts from there", m.about.Image, p.Disk.Path))
		}
	default:
		return fmt.Errorf("%q is nothing that can be done here", p.Action)
	}
	if err := b.note(m, p); err != nil {
		return fmt.Errorf("noting what was decided: %w", err)
	}
	return nil
}

// Noted is what [Done] and people find about the decision: /run/ingot/boot.json.
type Noted struct {
	Action Action `json:"action"`
	Disk   string `json:"disk"`
	Serial string `json:"serial,omitempty"`
	Image  string `json:"image"`
	Why    string `json:"why"`
	// Install says that the machine is to start again from its disk.
	Install bool `json:"install"`
	// Installed says that the disk has this very image.
	Installed bool `json:"installed"`
}

// note writes what the scripts and Done go by.
func (b *boot) note(m *medium, p *Plan) error {
	n := Noted{Action: p.Action, Disk: p.Disk.Path, Serial: p.Disk.Serial, Image: m.about.Image, Why: p.Why,
		Install: p.Action == Write || p.Action == Finish}
	n.Installed = n.Install || p.Installed
	data, err := json.MarshalIndent(n, "", " ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteNoSync(b.at(notedFile), append(data, '\n'), 0o644); err != nil {
		return err
	}
	if n.Install {
		if err := atomicfile.WriteNoSync(b.at(installFlag), []byte(n.Disk+"\n"), 0o644); err != nil {
			return err
		}
	}
	return atomicfile.WriteNoSync(b.at(stateDisk), []byte(p.Disk.Path+"\n"), 0o644)
}

// settle waits until udev has looked at all devices.
func (b *boot) settle(ctx context.Context) {
	// It ends with an error where a device takes long: what is there is used.
	_ = b.Runner.Run(ctx, run.Command{Argv: []string{"udevadm", "settle", "--timeout=120"}})
}
