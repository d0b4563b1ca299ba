package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
)

// patience is for anything, on a busy host.
const patience = time.Minute

// serveVariable has this program be the process of a lab in the folder that it
// names.
const serveVariable = "INGOT_TEST_SERVE"

func TestMain(m *testing.M) {
	if base := os.Getenv(serveVariable); base != "" {
		if err := serve(base); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serve(base string) error {
	c, _, err := cluster.Load(filepath.Join(base, "cluster.yaml"))
	if err != nil {
		return err
	}
	l, err := lab.Start(context.Background(), config(c, base))
	if err != nil {
		return err
	}
	return control.Serve(context.Background(), l, dir(base))
}

// TestProcess goes through the life of a lab in a process of its own, below a
// path that is longer than a socket's can be.
func TestProcess(t *testing.T) {
	p := world(t, strings.Repeat("a-long-name-", 15))
	if _, err := p.Status(t.Context()); !errors.Is(err, control.ErrDown) {
		t.Errorf("before the start: %v", err)
	}
	p.start()
	if s, err := p.Status(t.Context()); err != nil || s.PID != p.cmd.Process.Pid || s.Cluster != "two" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := lab.Start(t.Context(), p.config()); !errors.Is(err, lab.ErrRunning) {
		t.Errorf("a second lab in the folder: %v", err)
	}
	t.Run("console", func(t *testing.T) { p.console(t) })
	t.Run("power", func(t *testing.T) { p.powers(t) })
	t.Run("cut", func(t *testing.T) {
		if err := p.Cut(t.Context(), "two1"); err != nil {
			t.Error(err)
		}
		if err := p.Heal(t.Context(), "two1"); err != nil {
			t.Error(err)
		}
		if err := p.Heal(t.Context()); err != nil {
			t.Error(err)
		}
		var remote *control.RemoteError
		if err := p.Cut(t.Context(), "two 7/x"); !errors.As(err, &remote) || !strings.Contains(err.Error(), `no machine "two 7/x"`) {
			t.Errorf("an unknown machine: %v", err)
		}
	})
	stopped, err := p.Stop(t.Context(), patience)
	if err != nil || len(stopped.Down) != 2 || len(stopped.Cut) != 0 {
		t.Errorf("at the end: %+v, %v", stopped, err)
	}
	p.nothingLeft()
	if _, err := p.Status(t.Context()); !errors.Is(err, control.ErrDown) {
		t.Errorf("after the end: %v", err)
	}
	if info, err := os.Stat(dir(p.base)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}

	// The same again: with the disks that are there, and an end without patience.
	p.start()
	stopped, err = p.Stop(t.Context(), 0)
	if err != nil || len(stopped.Down) != 0 || len(stopped.Cut) != 2 {
		t.Errorf("at the second end: %+v, %v", stopped, err)
	}
	p.nothingLeft()
}

func (p *process) config() lab.Config {
	p.t.Helper()
	c, _, err := cluster.Load(filepath.Join(p.base, "cluster.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	return config(c, p.base)
}

// console has two people at one machine, who see what either types.
func (p *process) console(t *testing.T) {
	var people []io.ReadWriteCloser
	for range 2 {
		stream, err := p.Console(t.Context(), "two0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stream.Close() }()
		people = append(people, stream)
	}
	if _, err := io.WriteString(people[0], "hello, console\n"); err != nil {
		t.Fatal(err)
	}
	for i, stream := range people {
		if err := stream.(net.Conn).SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		for buffer := make([]byte, 256); !strings.Contains(said.String(), "hello, console"); {
			n, err := stream.Read(buffer)
			said.Write(buffer[:n])
			if err != nil {
				t.Fatalf("person %d saw %q, then: %v", i, said.String(), err)
			}
		}
		if got := strings.TrimSpace(said.String()); got != "ready\r\nhello, console" {
			t.Errorf("person %d saw %q", i, got)
		}
	}
	if _, err := p.Console(t.Context(), "two7"); err == nil || !strings.Contains(err.Error(), "the machine is off") {
		t.Errorf("the console of an unknown machine: %v", err)
	}
}

func (p *process) powers(t *testing.T) {
	stream, err := p.Console(t.Context(), "two1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context(), "two1", lab.Options{}); !errors.Is(err, lab.ErrPower) || err.Error() != `machine "two1" is on already` {
		t.Errorf("starting a machine that is on: %v", err)
	}
	if err := p.Kill(t.Context(), "two1"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		t.Errorf("the console after the power cut: %v", err)
	}
	p.eventually("off", func() bool { return p.power("two1") == lab.PowerOff })
	if err := p.Kill(t.Context(), "two1"); !errors.Is(err, lab.ErrPower) {
		t.Errorf("killing a machine that is off: %v", err)
	}
	if err := p.Start(t.Context(), "two1", lab.Options{FreshDisk: true}); err != nil {
		t.Fatal(err)
	}
	if got := p.power("two1"); got != lab.PowerOn {
		t.Errorf("after the start: %q", got)
	}
}

// TestKilled: the process is killed, and nothing of the lab is left but a
// socket, which nobody takes for a lab. The next lab in the folder works.
func TestKilled(t *testing.T) {
	p := world(t, "killed")
	p.start()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	p.nothingLeft()
	if _, err := os.Lstat(filepath.Join(dir(p.base), control.Socket)); err != nil {
		t.Errorf("the test is of no use: %v", err)
	}
	if _, err := p.Status(t.Context()); !errors.Is(err, control.ErrDown) {
		t.Errorf("of a lab whose process was killed: %v", err)
	}
	p.start()
	if p.power("two0") != lab.PowerOn {
		t.Error("the machine is not on again")
	}
}

// TestHangs: a process that does not answer is killed, by whom it listens to.
func TestHangs(t *testing.T) {
	p := world(t, "hangs")
	p.start()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.eventually("stopped", func() bool { // the signal takes a moment
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := p.Status(ctx)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("of a lab whose process hangs: %v", err)
		}
		return err != nil
	})
	if err := p.Kill9(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	p.nothingLeft()
}
