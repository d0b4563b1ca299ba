package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/lab/machine"
	"github.com/ingot-k8s/ingot/lab/segment"
)

// Lab is a lab that is up. Its methods may be called concurrently.
type Lab struct {
	cfg     Config
	plan    *Plan
	began   time.Time
	lock    *os.File
	segment *segment.Segment
	relay   *relay
	end     context.CancelFunc
	// power turns on a machine that lives as long as the lab.
	power func(machine.Config) (*machine.Machine, error)
	tasks sync.WaitGroup

	mu      sync.Mutex
	hosts   map[string]*host
	trouble string
	closed  bool
}

// host is a machine of the plan with its state.
type host struct {
	*Planned
	switching sync.Mutex // one change of the power at a time

	// Of the lab's mu:
	machine   *machine.Machine // of the last start; nil before the first
	power     Power
	reason    string
	since     time.Time
	wanted    string // why it is about to end, where somebody asked for it
	cut       bool
	ear       ear
	apiserver string
	ready     string
	readyAt   time.Time
	bootID    string // of its kernel, as the API has it
	earlier   string // that of an earlier start: what the API has of it is out of date
	ssh       netip.AddrPort
}

// Start brings up the network and turns on the machines: all nodes, and as
// many spares as the configuration says. It returns as soon as they run; what
// they do then, Status tells. The lab ends with the context, with Close, or
// with this process.
func Start(ctx context.Context, cfg Config) (*Lab, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("starting the lab: %w", err)
	}
	plan, err := NewPlan(cfg.Cluster, cfg.Others...)
	if err != nil {
		return nil, err
	}
	l := &Lab{cfg: cfg, plan: plan, began: cfg.Now(), hosts: map[string]*host{}}
	for i := range plan.Machines {
		l.hosts[plan.Machines[i].Name] = &host{Planned: &plan.Machines[i], power: PowerNever}
	}
	if err := l.start(ctx); err != nil {
		_ = l.Close() // the first error is the one to report
		return nil, fmt.Errorf("starting the lab: %w", err)
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	if err := l.claim(); err != nil {
		return err
	}
	names, err := l.first()
	if err != nil {
		return err
	}
	if l.cfg.Accel == "" {
		if l.cfg.Accel, err = machine.FindAccel(ctx); err != nil {
			return err
		}
	}
	if l.cfg.Slow == 0 {
		l.cfg.Slow = slowness(l.cfg.Accel)
	}
	life, end := context.WithCancel(ctx)
	l.end = end
	l.power = func(cfg machine.Config) (*machine.Machine, error) { return machine.Start(life, cfg) }
	if err := l.connect(life); err != nil {
		return err
	}
	l.tasks.Go(func() { l.listen(life) })
	for _, name := range names {
		if err := l.StartMachine(ctx, name, Options{FreshDisk: l.cfg.FreshDisks}); err != nil {
			return err
		}
	}
	return nil
}

// claim makes the folder ours.
func (l *Lab) claim() error {
	if err := os.MkdirAll(filepath.Join(l.cfg.Dir, MachinesDir), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(l.cfg.Dir, 0o700); err != nil { // it has consoles and an admin's key
		return err
	}
	for tries := 0; ; tries++ {
		var err error
		l.lock, err = lockDir(l.cfg.Dir, os.O_CREATE)
		if !errors.Is(err, ErrRunning) || tries == claimTries {
			return err
		}
		time.Sleep(claimPause) // somebody may only have looked
	}
}

// How often, and how long between, the folder is tried.
const (
	claimTries = 10
	claimPause = 50 * time.Millisecond
)

// lockDir takes the lock of a lab's folder, which goes with the open file.
func lockDir(dir string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrRunning
		}
		return nil, fmt.Errorf("locking %q: %w", dir, err)
	}
	return f, nil
}

// Running reports whether a lab has this folder, of this process or another.
func Running(dir string) (bool, error) {
	f, err := lockDir(dir, 0)
	switch {
	case err == nil:
		return false, f.Close()
	case errors.Is(err, ErrRunning):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}

// first are the machines that are started first. It looks whether all is there
// that they need.
func (l *Lab) first() ([]string, error) {
	var names []string
	var other *OtherImageError
	spares := 0
	for _, m := range l.plan.Machines {
		if m.Node == nil || m.Node.Spare && spares >= l.cfg.Spares {
			continue
		}
		if m.Node.Spare {
			spares++
		}
		names = append(names, m.Name)
		if _, err := l.cfg.iso(m.Name); err != nil {
			return nil, err
		}
		if l.cfg.FreshDisks {
			continue
		}
		var one *OtherImageError
		err := l.sameImage(m.Name, l.cfg.Image)
		switch {
		case err == nil:
		case !errors.As(err, &one):
			return nil, err
		case other == nil:
			other = one
		default:
			other.Machines = append(other.Machines, m.Name)
		}
	}
	if other != nil {
		return nil, other
	}
	return names, nil
}

// connect brings up the network and what leads into it.
func (l *Lab) connect(ctx context.Context) error {
	dir := filepath.Join(l.cfg.Dir, networkDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var err error
	l.segment, err = segment.Start(ctx, segment.Config{Dir: dir, Gateways: l.plan.Gateways, Leases: l.plan.Leases()})
	if err != nil {
		return err
	}
	if err := l.forwardSSH(ctx); err != nil {
		return err
	}
	listen := net.ListenConfig{}
	listener, err := listen.Listen(ctx, "tcp", netip.AddrPortFrom(loopback, uint16(l.cfg.APIPort)).String())
	if err != nil {
		return fmt.Errorf("opening the way to the API: %w", err)
	}
	l.relay = newRelay(listener, l.backends())
	l.tasks.Go(func() { l.relay.serve(ctx) })
	if l.cfg.Kubeconfig == "" {
		return nil
	}
	admin, err := readAdmin(l.cfg.Kubeconfig)
	if err != nil {
		return err
	}
	if err := admin.write(l.Kubeconfig(), l.relay.url()); err != nil {
		return err
	}
	if l.cfg.Cluster.Def.API.Public {
		l.ask(ctx, admin)
	}
	return nil
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// sshPort is where sshd listens.
const sshPort = 22

// forwardSSH gives each machine a port on 127.0.0.1, where the definition has
// keys that may log in.
func (l *Lab) forwardSSH(ctx context.Context) error {
	if len(l.cfg.Cluster.Def.Access.SSHKeys) == 0 {
		return nil
	}
	for _, m := range l.plan.Machines {
		at, err := l.segment.Forward(ctx, netip.AddrPortFrom(m.Address, sshPort), netip.AddrPortFrom(loopback, 0))
		if err != nil {
			return fmt.Errorf("opening the way to SSH on %q: %w", m.Name, err)
		}
		l.hosts[m.Name].ssh = at
	}
	return nil
}

// Close cuts the power of all machines, takes the network down and lets go of
// the folder. Disks stay.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	for _, m := range l.plan.Machines {
		h := l.hosts[m.Name]
		h.switching.Lock() // whoever turns it on has done so, and nobody else will
		_ = l.Kill(m.Name) // one that does not run has no power to cut
		h.switching.Unlock()
	}
	if l.end != nil {
		l.end()
	}
	var errs []error
	if l.relay != nil {
		l.relay.close()
	}
	if l.segment != nil {
		errs = append(errs, l.segment.Close())
	}
	l.tasks.Wait()
	if l.segment != nil {
		errs = append(errs, os.RemoveAll(filepath.Join(l.cfg.Dir, networkDir)))
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

func (l *Lab) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// Segment is the network of the machines.
func (l *Lab) Segment() *segment.Segment { return l.segment }

// Plan says how the machines are connected.
func (l *Lab) Plan() *Plan { return l.plan }

// Kubeconfig is the path of a kubeconfig for the admin that leads to whichever
// controller answers. There is none where the configuration has none.
func (l *Lab) Kubeconfig() string { return filepath.Join(l.cfg.Dir, KubeconfigFile) }

// API is the URL that the kubeconfig has.
func (l *Lab) API() string { return l.relay.url() }

// say writes a line to the log.
func (l *Lab) say(format string, args ...any) {
	stamp := l.cfg.Now().UTC().Format("2006-01-02 15:04:05 ")
	_, _ = fmt.Fprintf(l.cfg.Log, stamp+format+"\n", args...) // a log that cannot be written has no place to say so
}
