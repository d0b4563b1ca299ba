package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// newMonitored is a machine whose QEMU is a function that gets a command and
// says lines for it.
func newMonitored(t *testing.T, greeting string, qemu func(command string, id int) string) (*Machine, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	go func() {
		defer func() { _ = theirs.Close() }()
		if _, err := fmt.Fprintln(theirs, greeting); err != nil {
			return
		}
		for lines := bufio.NewScanner(theirs); lines.Scan(); {
			var c struct {
				Execute string
				ID      int
			}
			if json.Unmarshal(lines.Bytes(), &c) != nil {
				return
			}
			if c.Execute == "quit" {
				return
			}
			if _, err := fmt.Fprintln(theirs, qemu(c.Execute+" "+lines.Text(), c.ID)); err != nil {
				return
			}
		}
	}()
	m := &Machine{cfg: Config{Name: "fake"}, done: make(chan struct{})}
	var err error
	m.monitor, err = newMonitor(ours, m.event)
	return m, err
}

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}`

func TestQMP(t *testing.T) {
	m, err := newMonitored(t, greeting, func(command string, id int) string {
		switch {
		case strings.HasPrefix(command, "query-status"):
			return fmt.Sprintf(`{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-panic"}}
{"id": 77, "return": {}}
{"id": %d, "return": {"status": "guest-panicked"}}`, id)
		case strings.Contains(command, "info usernet"):
			info := "Hub -1 (net0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n" +
				"  TCP[HOST_FORWARD]  14       127.0.0.1 37215       10.0.2.15    22     0     0\r\n"
			b, _ := json.Marshal(info)
			return fmt.Sprintf(`{"id": %d, "return": %s}`, id, b)
		}
		return fmt.Sprintf(`{"id": %d, "error": {"class": "DeviceNotFound", "desc": "Device 'cdrom3' not found"}}`, id)
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := m.Status(t.Context()); err != nil || status != "guest-panicked" || m.Reason() != "guest-panic" {
		t.Errorf("status %q, reason %q, %v", status, m.Reason(), err)
	}
	if port, err := m.Port(t.Context(), 22); err != nil || port != 37215 {
		t.Errorf("port %d, %v", port, err)
	}
	if _, err := m.Port(t.Context(), 80); err == nil || !strings.Contains(err.Error(), "not forwarded") {
		t.Errorf("port 80: got %v", err)
	}
	want := `telling machine "fake" to eject: Device 'cdrom3' not found (DeviceNotFound)`
	if err := m.Eject(t.Context(), 3); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestQMPEnds(t *testing.T) {
	m, err := newMonitored(t, greeting, func(string, int) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // while it ends, and afterwards
		if err := m.QMP(t.Context(), "quit", nil, nil); !errors.Is(err, ErrEnded) {
			t.Errorf("got %v, want ErrEnded", err)
		}
	}
}

func TestQMPNoAnswer(t *testing.T) {
	m, err := newMonitored(t, greeting, func(string, int) string { return `{"return": {}}` })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := m.Reset(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestQMPGreeting(t *testing.T) {
	for _, greeting := range []string{`SSH-2.0-x`, `{"return": {}}`, `[]`} {
		if _, err := newMonitored(t, greeting, func(string, int) string { return "" }); err == nil {
			t.Errorf("%q is taken for QMP", greeting)
		}
	}
}
