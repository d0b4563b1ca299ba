package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// QMP runs a command of QEMU's monitor protocol. Arguments and result are
// encoded as JSON; result may be nil.
func (m *Machine) QMP(ctx context.Context, command string, arguments, result any) error {
	waiting, err := m.monitor.start(command, arguments)
	if err == nil {
		select {
		case r := <-waiting:
			err = r.err
			if err == nil && result != nil {
				err = json.Unmarshal(r.result, result)
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("telling machine %q to %s: %w", m.cfg.Name, command, err)
	}
	return nil
}

// Status is "running", or why it does not run: "paused", "shutdown",
// "guest-panicked" and others (QEMU's RunState).
func (m *Machine) Status(ctx context.Context) (string, error) {
	var got struct {
		Status string `json:"status"`
	}
	err := m.QMP(ctx, "query-status", nil, &got)
	return got.Status, err
}

// Powerdown presses the power button. The machine ends when its operating
// system has shut down, which Wait waits for.
func (m *Machine) Powerdown(ctx context.Context) error {
	return m.QMP(ctx, "system_powerdown", nil, nil)
}

// Reset presses the reset button: nothing is shut down.
func (m *Machine) Reset(ctx context.Context) error { return m.QMP(ctx, "system_reset", nil, nil) }

// Eject takes the disk out of a CD-ROM drive, counted from 0, locked or not.
func (m *Machine) Eject(ctx context.Context, drive int) error {
	return m.QMP(ctx, "eject", map[string]any{"id": cdrom(drive), "force": true}, nil)
}

// Insert puts another disk into a CD-ROM drive.
func (m *Machine) Insert(ctx context.Context, drive int, iso string) error {
	return m.QMP(ctx, "blockdev-change-medium", map[string]any{
		"id": cdrom(drive), "filename": iso, "format": "raw", "force": true, "read-only-mode": "read-only"}, nil)
}

// Kill cuts the power, and returns when QEMU has ended. What the machine had
// not flushed to its disk is lost.
func (m *Machine) Kill() {
	m.kill()
	<-m.done
}

// Ended reports whether the machine has ended.
func (m *Machine) Ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// Wait waits until the machine has ended, and returns why QEMU did if that
// was neither the machine's wish nor ours.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.done:
		return m.failed
	case <-ctx.Done():
		return fmt.Errorf("waiting for machine %q to end: %w", m.cfg.Name, ctx.Err())
	}
}

// Reason is why the machine has ended, in QEMU's words: "guest-shutdown",
// "guest-reset" with NoReboot, "guest-panic"; empty after Kill.
func (m *Machine) Reason() string {
	if m.Ended() {
		<-m.monitor.gone // the last event may still be on its way
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reason
}

// event hears what QEMU says by itself.
func (m *Machine) event(name string, data json.RawMessage) {
	if name != "SHUTDOWN" {
		return
	}
	var got struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(data, &got) // without a reason there is none to tell
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reason = got.Reason
}

// forwarding is a line of "info usernet": protocol and state, descriptor, the
// host's address and port, the machine's address and port.
var forwarding = regexp.MustCompile(`TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)`)

// Port returns the port on 127.0.0.1 that leads to a forwarded port.
func (m *Machine) Port(ctx context.Context, guest int) (int, error) {
	var said string
	if err := m.QMP(ctx, "human-monitor-command", map[string]any{"command-line": "info usernet"}, &said); err != nil {
		return 0, err
	}
	for _, match := range forwarding.FindAllStringSubmatch(said, -1) {
		if match[2] == strconv.Itoa(guest) {
			return strconv.Atoi(match[1])
		}
	}
	return 0, fmt.Errorf("finding the way to port %d of machine %q: %w", guest, m.cfg.Name, errors.New("it is not forwarded"))
}
