package systemd_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/node/systemd"
)

// start has systemd manage a user's units where it finds that the machine was
// booted with systemd.
const start = `set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system
exec "$1" --user
`

// TestFailedUnits asks the real systemd.
func TestFailedUnits(t *testing.T) {
	need.Root(t)
	const program = "/lib/systemd/systemd"
	need.File(t, program)
	unshare, dash, systemctl := need.Tool(t, "unshare"), need.Tool(t, "dash"), need.Tool(t, "systemctl")
	dir := t.TempDir()
	env := append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "HOME="+dir, "XDG_CONFIG_HOME="+dir)
	units := filepath.Join(dir, "systemd/user")
	if err := os.MkdirAll(units, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, runs := range map[string]string{"well": "true", "bad": "false", "another-one": "false"} {
		if err := os.WriteFile(filepath.Join(units, name+".service"), []byte("[Service]\nType=oneshot\nExecStart=/bin/"+runs+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manager := exec.Command(unshare, "--mount", dash, "-c", start, "start", program)
	manager.Env = env
	manager.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = manager.Process.Kill() // what it has started has ended
		_ = manager.Wait()
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	socket := filepath.Join(dir, "systemd/private")
	for {
		once, cancel := context.WithTimeout(ctx, time.Second)
		got, err := systemd.FailedUnits(once, socket)
		cancel()
		if err == nil {
			if len(got) > 0 {
				t.Errorf("before anything runs: %q", got)
			}
			break
		}
		if ctx.Err() != nil {
			t.Skipf("systemd does not start here: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	run := exec.Command(systemctl, "--user", "start", "well.service", "bad.service", "another-one.service")
	run.Env = env
	if out, err := run.CombinedOutput(); err == nil || !strings.Contains(string(out), "bad.service") {
		t.Fatalf("%v: %s", err, out)
	}
	for range 20 {
		got, err := systemd.FailedUnits(ctx, socket)
		if want := []string{"another-one.service", "bad.service"}; err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
}

// TestFailedUnitsRefuses: what is not systemd's answer is an error, and soon.
func TestFailedUnitsRefuses(t *testing.T) {
	long := "l\x02\x01\x01" + "\xff\xff\xff\x7f" + "\x01\x00\x00\x00" + "\x00\x00\x00\x00"
	for name, answer := range map[string]string{
		"nothing":    "",
		"rejected":   "REJECTED EXTERNAL\r\n",
		"cut":        "OK 0\r\nl\x02\x01\x01",
		"long":       "OK 0\r\n" + long,
		"big-endian": "OK 0\r\nB\x02\x01\x01" + strings.Repeat("\x00", 12),
		"error":      "OK 0\r\nl\x03\x01\x01" + strings.Repeat("\x00", 12),
		"no list":    "OK 0\r\nl\x02\x01\x01\x08\x00\x00\x00" + strings.Repeat("\x00", 8) + "\x10\x00\x00\x00\x00\x00\x00\x00",
		"bad text":   "OK 0\r\nl\x02\x01\x01\x0c\x00\x00\x00" + strings.Repeat("\x00", 8) + "\x04\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(answer)) // the other end looks
				time.Sleep(50 * time.Millisecond)
				_ = conn.Close()
			}()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if got, err := systemd.FailedUnits(ctx, socket); err == nil {
				t.Errorf("got %q", got)
			}
		})
	}
}
