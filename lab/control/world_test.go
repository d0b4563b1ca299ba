package control_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/ingot-k8s/ingot/lab/machine"
)

func dir(base string) string { return filepath.Join(base, "lab") }

func config(c *cluster.Cluster, base string) lab.Config {
	return lab.Config{
		Cluster: c, Dir: dir(base), Image: filepath.Join(base, "image.qcow2"), Nodes: filepath.Join(base, "nodes"),
		Accel: machine.TCG, Memory: 16, DiskSize: 1 << 20, Log: os.Stdout, Now: time.Now,
	}
}

const definition = `apiVersion: ingot/v1
kind: Cluster
name: two
domain: two.example.com
nodes:
  - {name: two0, roles: [controller, worker], address: 192.0.2.10}
  - {name: two1, roles: [worker], address: 192.0.2.11}
`

// process is a lab in a process of its own.
type process struct {
	*control.Client
	t    *testing.T
	base string
	cmd  *exec.Cmd
	said string // file
}

// world has all that a lab needs, for whoever runs the test or, as root, for a
// normal user.
func world(t *testing.T, name string) *process {
	t.Helper()
	need.Tool(t, "qemu-system-x86_64")
	base := filepath.Join(t.TempDir(), name)
	files := map[string]string{"cluster.yaml": definition, "nodes/two0/config.iso": "two0", "nodes/two1/config.iso": "two1"}
	image, err := os.ReadFile(qemu.EchoImage(t))
	if err != nil {
		t.Fatal(err)
	}
	files["image.qcow2"] = string(image)
	for name, content := range files {
		path := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &process{Client: control.New(dir(base)), t: t, base: base, said: filepath.Join(t.TempDir(), "said")}
}

// nobody is a user without rights, on Debian and most others.
const nobody = 65534

// start starts the process; as root, as a normal user.
func (p *process) start() {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := os.OpenFile(p.said, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), serveVariable+"="+p.base)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if os.Geteuid() == 0 {
		p.cmd.Path = p.public(self)
		if err := os.Chown(p.base, nobody, nobody); err != nil {
			p.t.Fatal(err)
		}
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // most have ended
		_ = p.cmd.Wait()
		if p.t.Failed() {
			said, _ := os.ReadFile(p.said)
			p.t.Logf("the lab's process said:\n%s", said)
		}
	})
	p.eventually("up", func() bool {
		_, err := p.Status(p.t.Context())
		if err != nil && !errors.Is(err, control.ErrDown) {
			p.t.Fatal(err)
		}
		return err == nil
	})
}

// public is a copy of this program that everybody can run, who can also see
// the folders above.
func (p *process) public(self string) string {
	p.t.Helper()
	data, err := os.ReadFile(self)
	if err != nil {
		p.t.Fatal(err)
	}
	copied := filepath.Join(p.t.TempDir(), "serve")
	if err := os.WriteFile(copied, data, 0o755); err != nil {
		p.t.Fatal(err)
	}
	for _, path := range []string{copied, p.base} {
		for at := filepath.Dir(path); at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	return copied
}

func (p *process) eventually(what string, is func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not %s in time", what)
		}
	}
}

// nothingLeft fails if a process works in the lab's folder, or has it.
func (p *process) nothingLeft() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := p.Gone(ctx); err != nil {
		p.t.Fatal(err)
	}
	var left []string
	p.eventually("empty", func() bool {
		left = nil
		links, _ := filepath.Glob("/proc/[0-9]*/cwd")
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir(p.base)+"/") {
				left = append(left, link)
			}
		}
		return len(left) == 0
	})
}

func (p *process) power(name string) lab.Power {
	p.t.Helper()
	s, err := p.Status(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	m, ok := s.Machine(name)
	if !ok {
		p.t.Fatalf("the lab has no machine %q", name)
	}
	return m.Power
}
