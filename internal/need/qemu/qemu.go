// Package qemu starts machines in tests: what they need is asked for, they are
// gone at cleanup, and their logs are kept when a test failed. Only tests
// import it.
package qemu

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// logsVariable names the folder in which logs of machines are kept when their
// test fails. It is made if it is not there; empty means the temporary folder.
const logsVariable = "INGOT_TEST_LOGS"

// findAccel looks once: the answer may take seconds.
var findAccel = sync.OnceValues(func() (machine.Accel, error) {
	return machine.FindAccel(context.Background())
})

// Start starts a machine that is gone at cleanup. Without a folder in cfg it
// gets one of Dir.
func Start(t testing.TB, cfg machine.Config) *machine.Machine {
	t.Helper()
	need.Tool(t, "qemu-system-x86_64")
	need.Tool(t, "qemu-img")
	if cfg.Firmware == machine.UEFI {
		need.File(t, "/usr/share/OVMF/OVMF_CODE_4M.fd")
	}
	if cfg.Dir == "" {
		cfg.Dir = Dir(t)
	}
	if cfg.Accel == "" {
		accel, err := findAccel()
		if err != nil {
			t.Fatal(err)
		}
		cfg.Accel = accel
	}
	m, err := machine.Start(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill()
		if t.Failed() {
			t.Logf("the console of machine %q ends with:\n%s", cfg.Name, m.Console().Tail())
		}
	})
	return m
}

// Dir makes a folder for one machine, or for several starts of it. It is
// gone at cleanup; only the logs stay if the test failed.
func Dir(t testing.TB) string {
	t.Helper()
	parent := os.Getenv(logsVariable)
	if parent != "" {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp(parent, "ingot-machine-") //nolint:usetesting // the logs outlive the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tidy(t, dir) })
	return dir
}

func tidy(t testing.TB, dir string) {
	t.Helper()
	if !t.Failed() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		return
	}
	t.Logf("logs of the machine are kept in %s", dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if e.Name() != machine.ConsoleLog && e.Name() != machine.QEMULog {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				t.Error(err)
			}
		}
	}
}
