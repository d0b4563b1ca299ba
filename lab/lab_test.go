package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// patience is for anything, on a busy host.
const patience = time.Minute

const twoNodes = `apiVersion: ingot/v1
kind: Cluster
name: two
domain: two.example.com
api: {public: true}
access: {sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAUz2t4GHtYSzBLVkVHrwJUdDeBrQ4VJkDUDKSmbvsmH test"]}
nodes:
  - {name: two0, roles: [controller, worker], address: 192.0.2.10}
  - {name: two1, roles: [worker], address: 192.0.2.11}
spares: 1
`

// definition loads a definition.
func definition(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, report, err := cluster.Load(file)
	if err != nil {
		t.Fatalf("%v: %v", err, report)
	}
	return c
}

// journal is a log that tests look at.
type journal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

// config is a lab of two machines that say what is typed.
func config(t *testing.T) lab.Config {
	t.Helper()
	need.Tool(t, "qemu-system-x86_64")
	nodes := t.TempDir()
	for _, name := range []string{"two0", "two1", "spare0"} {
		if err := os.Mkdir(filepath.Join(nodes, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(nodes, name, "config.iso"), make([]byte, 64<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return lab.Config{
		Cluster: definition(t, twoNodes), Dir: filepath.Join(t.TempDir(), "lab"), Image: qemu.EchoImage(t), Nodes: nodes,
		Accel: machine.TCG, Memory: 16, DiskSize: 1 << 20, Log: &journal{}, Now: time.Now,
	}
}

func start(t *testing.T, cfg lab.Config) *lab.Lab {
	t.Helper()
	l, err := lab.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the lab's log:\n%s", cfg.Log)
		}
	})
	return l
}

// say has a machine say a line.
func say(t *testing.T, l *lab.Lab, name, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if !strings.Contains(l.Machine(name).Console().Text(), "ready") {
		if _, err := l.Machine(name).Console().Expect(ctx, regexp.MustCompile("^ready$")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprintf(l.Machine(name).Console(), "%s\n", line); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a machine is as it should be.
func eventually(t *testing.T, l *lab.Lab, name, what string, is func(*lab.MachineStatus) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		status := l.Status()
		m, ok := status.Machine(name)
		if ok && is(m) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("machine %q does not become %s: %+v", name, what, m)
		}
	}
}

// TestLab goes through the life of a lab: machines say who they are, lose
// their power, come back with their disks or without, and shut down.
func TestLab(t *testing.T) {
	cfg := config(t)
	l := start(t, cfg)
	say(t, l, "two0", "[   12.3] ingot-node[211]: ingot-node: this is two0 of cluster two (controller, worker), index 1, 10.42.0.1")
	say(t, l, "two0", "ingot-node: health: mesh=1/2 etcd=learner and more api=down node=")
	say(t, l, "two1", "ingot-node: refused: it is not in the list")
	eventually(t, l, "two0", "accepted", func(m *lab.MachineStatus) bool {
		return m.Boot == lab.BootAccepted && m.Who == "two0" && m.Health["mesh"] == "1/2" && m.Health["etcd"] == "learner" && m.Health["api"] == "down"
	})
	eventually(t, l, "two1", "refused", func(m *lab.MachineStatus) bool {
		return m.Boot == lab.BootRefused && m.Detail == "it is not in the list"
	})
	status := l.Status()
	if status.Healthy() || !strings.Contains(fmt.Sprint(status.Problems()), "two1: its identity is refused: it is not in the list") {
		t.Errorf("problems: %v", status.Problems())
	}
	if m, _ := status.Machine("spare0"); m.Power != lab.PowerNever || m.Address != "192.0.2.100" {
		t.Errorf("the spare is %+v", m)
	}
	t.Run("one lab in a folder", func(t *testing.T) {
		if _, err := lab.Start(t.Context(), cfg); !errors.Is(err, lab.ErrRunning) {
			t.Errorf("a second lab: %v", err)
		}
	})
	t.Run("power cut", func(t *testing.T) { powerCut(t, l, cfg) })
	t.Run("cut off", func(t *testing.T) { cutOff(t, l) })
	t.Run("shut down", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := l.Powerdown(ctx, "two1"); err != nil {
			t.Fatal(err)
		}
		eventually(t, l, "two1", "off", func(m *lab.MachineStatus) bool { return m.Power == lab.PowerOff && m.Reason == "it was shut down" })
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.StartMachine(t.Context(), "two1", lab.Options{}); !errors.Is(err, lab.ErrClosed) {
		t.Errorf("starting a machine of a lab that is down: %v", err)
	}
	if running, err := lab.Running(cfg.Dir); running || err != nil {
		t.Errorf("after Close: running is %v, %v", running, err)
	}
	inUse(t, cfg.Dir)
}

func powerCut(t *testing.T, l *lab.Lab, cfg lab.Config) {
	disk := filepath.Join(cfg.Dir, lab.MachinesDir, "two0", machine.DiskFile)
	before, err := os.Stat(disk)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.StartMachine(t.Context(), "two0", lab.Options{}); !errors.Is(err, lab.ErrPower) {
		t.Errorf("starting a machine that is on: %v", err)
	}
	if err := l.Kill("two0"); err != nil {
		t.Fatal(err)
	}
	eventually(t, l, "two0", "off", func(m *lab.MachineStatus) bool { return m.Power == lab.PowerOff && m.Reason == "its power was cut" })
	if err := l.Kill("two0"); !errors.Is(err, lab.ErrPower) {
		t.Errorf("cutting the power of a machine that is off: %v", err)
	}
	for _, fresh := range []bool{false, true} {
		if err := l.StartMachine(t.Context(), "two0", lab.Options{FreshDisk: fresh}); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(disk)
		if err != nil || os.SameFile(before, after) == fresh {
			t.Errorf("fresh disk %v: the same file is %v, %v", fresh, os.SameFile(before, after), err)
		}
		eventually(t, l, "two0", "on and silent", func(m *lab.MachineStatus) bool { return m.Power == lab.PowerOn && m.Boot == lab.BootNone })
		if !fresh {
			_ = l.Kill("two0")
			eventually(t, l, "two0", "off", func(m *lab.MachineStatus) bool { return m.Power == lab.PowerOff })
		}
	}
	if err := l.Kill("two7"); err == nil || !strings.Contains(err.Error(), `no machine "two7" (two0, two1, spare0)`) {
		t.Errorf("an unknown machine: %v", err)
	}
}

func cutOff(t *testing.T, l *lab.Lab) {
	for _, step := range []struct {
		do   func() error
		want bool
	}{
		{func() error { return l.Cut("two0") }, true},
		{func() error { return l.Heal("two1") }, true},
		{func() error { return l.Heal("two0") }, false},
		{func() error { return l.Cut("two0") }, true},
		{func() error { return l.Heal() }, false},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		status := l.Status()
		if m, _ := status.Machine("two0"); m.Cut != step.want {
			t.Errorf("cut is %v, want %v", m.Cut, step.want)
		}
	}
	if err := l.Cut("spare0"); err == nil {
		t.Error("a machine that was never started was cut off")
	}
}

// inUse fails if a process has its working folder below a folder.
func inUse(t *testing.T, dir string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir+"/") {
			t.Errorf("%s is left: it works in %s", filepath.Dir(link), target)
		}
	}
}
