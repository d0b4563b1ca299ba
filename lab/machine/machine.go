package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Machine is a machine that was started.
type Machine struct {
	cfg     Config
	dir     *os.File // the folder, which names the sockets whatever its path
	lock    *os.File
	console *Console
	monitor *monitor
	kill    context.CancelFunc

	done   chan struct{} // closed when QEMU has ended
	failed error         // then: why, if it should not have

	mu     sync.Mutex
	reason string
}

// Start turns a machine on. Its disk and its firmware's settings are those of
// the folder, or new ones. The machine ends when the context does.
func Start(ctx context.Context, cfg Config) (*Machine, error) {
	m, err := start(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting machine %q: %w", cfg.Name, err)
	}
	return m, nil
}

func start(ctx context.Context, cfg Config) (*Machine, error) {
	cfg, err := complete(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	m := &Machine{cfg: cfg, done: make(chan struct{})}
	if err := m.prepare(ctx); err != nil {
		m.release()
		return nil, err
	}
	ctx, m.kill = context.WithCancel(ctx)
	if err := m.launch(ctx); err != nil {
		m.kill()
		m.release()
		return nil, err
	}
	if err := m.connect(ctx); err != nil {
		m.Kill()
		if said := m.complaint(); said != "" {
			err = errors.New(said)
		}
		return nil, err
	}
	return m, nil
}

// complete fills in what depends on the host, and checks the whole.
func complete(ctx context.Context, cfg Config) (Config, error) {
	if err := cfg.withDefaults().check(); err != nil {
		return Config{}, err
	}
	if cfg.Accel == "" {
		accel, err := FindAccel(ctx)
		if err != nil {
			return Config{}, err
		}
		cfg.Accel = accel
	}
	cfg = cfg.withDefaults()
	if cfg.Firmware == UEFI && cfg.Flash == (Flash{}) {
		flash, err := FindFlash()
		if err != nil {
			return Config{}, err
		}
		cfg.Flash = flash
	}
	return cfg.absolute()
}

// prepare makes the folder ready for QEMU.
func (m *Machine) prepare(ctx context.Context) error {
	var err error
	if m.dir, err = os.Open(m.cfg.Dir); err != nil {
		return err
	}
	if m.lock, err = os.OpenFile(filepath.Join(m.cfg.Dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := lock(m.lock); err != nil {
		return fmt.Errorf("folder %q: a machine runs there: %w", m.cfg.Dir, err)
	}
	for _, name := range []string{serialSocket, qmpSocket} {
		if err := os.Remove(filepath.Join(m.cfg.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := prepareDisk(ctx, m.cfg); err != nil {
		return err
	}
	if err := prepareFlash(m.cfg); err != nil {
		return err
	}
	m.console, err = openConsole(m)
	return err
}

// launch starts QEMU and returns when it runs or could not be started.
func (m *Machine) launch(ctx context.Context) error {
	nets, err := shortSockets(m.cfg.Dir, m.cfg.Nets)
	if err != nil {
		return err
	}
	cfg := m.cfg
	cfg.Nets = nets
	log, err := os.OpenFile(filepath.Join(m.cfg.Dir, QEMULog), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	sweepFakeTime()
	cmd := command(ctx, Argv(cfg), cfg.Dir, log)
	cmd.Env = slowEnv(cfg.Slow)
	started := make(chan error)
	go func() {
		// The kernel ends QEMU when this thread ends, not this process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = log.Close() }() // QEMU has written it
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		err := cmd.Wait()
		if err != nil && ctx.Err() == nil {
			m.failed = fmt.Errorf("machine %q: %s: %w: %s", m.cfg.Name, qemuSystem, err, m.complaint())
		}
		m.kill() // for what is still bound to the context
		sweepFakeTime()
		m.release()
		close(m.done)
	}()
	return <-started
}

// connectTime is how long QEMU may take to open its socket.
const connectTime = 30 * time.Second

// connect opens the monitor.
func (m *Machine) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var conn net.Conn
	for {
		var err error
		if conn, err = m.dial(qmpSocket); err == nil {
			break
		}
		select {
		case <-m.done:
			return ErrEnded
		case <-ctx.Done():
			return fmt.Errorf("connecting to QEMU: %w", errors.Join(ctx.Err(), err))
		case <-time.After(poll):
		}
	}
	// A QEMU that hangs is killed with the context, which ends the reading.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var err error
	if m.monitor, err = newMonitor(conn, m.event); err != nil {
		_ = conn.Close() // the first error is the one to report
		return err
	}
	return m.QMP(ctx, "qmp_capabilities", nil, nil)
}

// complaint is the end of what QEMU said about itself.
func (m *Machine) complaint() string {
	said, err := os.ReadFile(filepath.Join(m.cfg.Dir, QEMULog))
	if err != nil {
		return ""
	}
	return tail(said)
}

// release lets go of the folder.
func (m *Machine) release() {
	if m.console != nil {
		m.console.close()
	}
	for _, f := range []*os.File{m.lock, m.dir} {
		if f != nil {
			_ = f.Close() // nothing was written
		}
	}
}

// Console is the machine's serial port.
func (m *Machine) Console() *Console { return m.console }

// Config is what the machine was started with, defaults filled in.
func (m *Machine) Config() Config { return m.cfg }
