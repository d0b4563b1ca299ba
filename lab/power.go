package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// Options say how a machine is started.
type Options struct {
	FreshDisk bool   `json:"freshDisk,omitempty"` // throw away what it has written so far
	ISO       string `json:"iso,omitempty"`       // in place of its own config ISO
	Image     string `json:"image,omitempty"`     // in place of the lab's
	// Clock is the time of the machine's hardware when it starts; zero means the host's.
	Clock time.Time `json:"clock,omitzero"`
}

// ErrPower is in the error of a machine that is on and should be turned on, or
// that is off and should be turned off.
var ErrPower = errors.New("the machine's power is as asked for already")

// powerError is an ErrPower in words.
type powerError struct {
	machine string
	power   Power
}

func (e *powerError) Error() string {
	return fmt.Sprintf("machine %q is %s already", e.machine, e.power)
}
func (e *powerError) Unwrap() error { return ErrPower }

// ErrClosed is in the error of what a lab cannot do any more.
var ErrClosed = errors.New("the lab is down")

// host finds a machine.
func (l *Lab) host(name string) (*host, error) {
	if h, ok := l.hosts[name]; ok {
		return h, nil
	}
	var names []string
	for _, m := range l.plan.Machines {
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("the lab has no machine %q (%s)", name, strings.Join(names, ", "))
}

// Machine gives the machine of the last start, nil before the first one or
// for an unknown name.
func (l *Lab) Machine(name string) *machine.Machine {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.hosts[name]; ok {
		return h.machine
	}
	return nil
}

// StartMachine turns a machine on: a node that is off, a spare, or one of
// Config.Others. With the disk that it had it goes on where it was.
func (l *Lab) StartMachine(ctx context.Context, name string, o Options) error {
	h, err := l.host(name)
	if err != nil {
		return err
	}
	h.switching.Lock()
	defer h.switching.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.isClosed() {
		return fmt.Errorf("starting machine %q: %w", name, ErrClosed)
	}
	if m := l.Machine(name); m != nil && !m.Ended() {
		return &powerError{name, PowerOn}
	}
	cfg, err := l.machineConfig(h, o)
	if err != nil {
		return fmt.Errorf("starting machine %q: %w", name, err)
	}
	m, err := l.power(cfg)
	if err != nil {
		return err
	}
	l.mu.Lock()
	h.machine, h.power, h.reason, h.since, h.wanted = m, PowerOn, "", l.cfg.Now(), ""
	h.ear, h.apiserver, h.ready, h.readyAt = ear{}, "", "", time.Time{}
	h.earlier = l.lastBoot(name)
	l.mu.Unlock()
	l.say("%s: on", name)
	l.tasks.Go(func() { l.await(h, m) })
	return nil
}

// machineConfig prepares the folder of a machine.
func (l *Lab) machineConfig(h *host, o Options) (machine.Config, error) {
	image, iso := l.cfg.Image, o.ISO
	var err error
	if o.Image != "" {
		if image, err = resolved(o.Image); err != nil {
			return machine.Config{}, &MissingError{What: "image", Path: o.Image, Err: cause(err)}
		}
	}
	if iso == "" {
		if iso, err = l.cfg.iso(h.Name); err != nil {
			return machine.Config{}, err
		}
	}
	if o.FreshDisk {
		err = l.forget(h.Name)
	} else {
		err = l.sameImage(h.Name, image)
	}
	if err != nil {
		return machine.Config{}, err
	}
	dir := l.cfg.machineDir(h.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return machine.Config{}, err
	}
	if err := atomicfile.WriteNoSync(filepath.Join(dir, imageFile), []byte(image+"\n"), 0o600); err != nil {
		return machine.Config{}, err
	}
	cfg := machine.Config{
		Name: h.Name, Dir: dir, Accel: l.cfg.Accel, CPUs: l.cfg.CPUs, Memory: l.cfg.Memory, Clock: l.clock(o.Clock), Slow: l.cfg.Slow,
		Disk: machine.Disk{Image: image, Format: "qcow2", Size: l.cfg.DiskSize}, CDROMs: []string{iso},
	}
	for i, port := range h.ports() {
		local, remote, err := l.segment.Port(port)
		if err != nil {
			return machine.Config{}, err
		}
		cfg.Nets = append(cfg.Nets, machine.Net{Kind: machine.Datagram, MAC: h.NICs[i].MAC, Local: local, Remote: remote})
	}
	return cfg, nil
}

// sameImage makes sure that a disk which is there was made from this image: it
// is what differs from it.
func (l *Lab) sameImage(name, image string) error {
	old, err := os.ReadFile(filepath.Join(l.cfg.machineDir(name), imageFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if was := strings.TrimSpace(string(old)); was != image {
		return &OtherImageError{Machines: []string{name}, Old: was, New: image}
	}
	return nil
}

// forget removes what a machine has written, and what is known of it. Its
// console's log stays.
func (l *Lab) forget(name string) error {
	for _, file := range []string{machine.DiskFile, imageFile, KnownHostsFile} {
		if err := os.Remove(filepath.Join(l.cfg.machineDir(name), file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// await notes that a machine has ended, and why.
func (l *Lab) await(h *host, m *machine.Machine) {
	err := m.Wait(context.Background()) // it ends with the lab
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.machine != m {
		return
	}
	h.ear.listen(m.Console().Text()) // what it said last
	h.apiserver, h.ready, h.readyAt, h.since = "", "", time.Time{}, l.cfg.Now()
	switch {
	case h.wanted != "":
		h.power, h.reason = PowerOff, h.wanted
	case err != nil:
		h.power, h.reason = PowerDied, err.Error()
	default:
		h.power, h.reason = PowerDied, "QEMU ended: "+m.Reason()
	}
	l.say("%s: %s: %s", h.Name, h.power, h.reason)
	l.relay.drop(h.Name)
}

// running finds a machine that is on and notes why it is about to end.
func (l *Lab) running(name, why string) (*machine.Machine, error) {
	h, err := l.host(name)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.machine == nil || h.machine.Ended() {
		return nil, &powerError{name, PowerOff}
	}
	h.wanted = why
	return h.machine, nil
}

// Kill cuts a machine's power, and returns when it is off. What it had not
// flushed to its disk is lost.
func (l *Lab) Kill(name string) error {
	m, err := l.running(name, "its power was cut")
	if err != nil {
		return err
	}
	m.Kill()
	return nil
}

// pressAgain is how long a press of the power button may be without effect: an
// operating system listens to it only some time after it has started.
const pressAgain = 15 * time.Second

// Powerdown presses a machine's power button until it is off or the context
// ends. A machine that does not listen stays on.
func (l *Lab) Powerdown(ctx context.Context, name string) error {
	m, err := l.running(name, "it was shut down")
	if err != nil {
		return err
	}
	for !m.Ended() {
		if err := m.Powerdown(ctx); err != nil && !m.Ended() {
			return err
		}
		press, cancel := context.WithTimeout(ctx, pressAgain)
		err := m.Wait(press)
		cancel()
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("shutting down machine %q: %w", name, ctx.Err())
		}
	}
	return nil
}

// emulatedSlow is how much slower than this host's the clocks of machines
// without KVM go: they do less than a twentieth in the same time, and a
// Kubernetes that has all processors for itself, but a twentieth of their
// speed, is busy with deadlines that it has missed.
const emulatedSlow = 5

func slowness(accel machine.Accel) int {
	if accel == machine.KVM || machine.FakeTime() == "" {
		return 1
	}
	return emulatedSlow
}

// clock is what a machine's clock begins with: the lab's own time, if that
// goes slowly, so that all machines have the same whenever they are started.
func (l *Lab) clock(wanted time.Time) time.Time {
	if !wanted.IsZero() || l.cfg.Slow <= 1 {
		return wanted
	}
	return l.began.Add(l.cfg.Now().Sub(l.began) / time.Duration(l.cfg.Slow))
}
