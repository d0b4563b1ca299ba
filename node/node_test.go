package node_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/node"
)

// run runs a command that may neither run programs nor name the machine.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, said bytes.Buffer
	m := node.Machine{Now: func() time.Time { return bootTime }, Runner: refuseToRun{t}, SetHostname: func([]byte) error {
		t.Error("it sets the name of the machine that tests it")
		return nil
	}}
	status = m.Run(context.Background(), &out, &said, args)
	return status, out.String(), said.String()
}

func TestCommandLine(t *testing.T) {
	for line, want := range map[string]struct {
		status         int
		stdout, stderr string
	}{
		"":                        {2, "", "usage: ingot-node COMMAND"},
		"identify":                {2, "", `ingot-node: unknown command "identify" (unpack, identity, etcd, status, health, wait, labels, addons, edge, boot, vip, version)`},
		"identity --json":         {2, "", "flag provided but not defined: -json"},
		"identity now":            {2, "", `ingot-node: "now" is too much`},
		"unpack a b":              {2, "", `ingot-node: "b" is too much`},
		"unpack --root testdata":  {1, "", "ingot-identity: testdata/etc/ingot/identity.sha256 is missing: without it no bundle is trusted"},
		"boot off":                {2, "", `ingot-node: unknown word "off" after boot (done)`},
		"boot":                    {1, "", "ingot-node: boot: this is not the initrd of a boot ISO"},
		"boot done --root /":      {2, "", `ingot-node: "--root" is too much`},
		"boot --root /tmp":        {1, "", "ingot-node: boot: only the machine itself can be booted"},
		"identity --root=":        {2, "", "ingot-node: --root: no folder given"},
		"status --no-start":       {2, "", "flag provided but not defined: -no-start"},
		"help":                    {0, "usage: ingot-node COMMAND", ""},
		"identity -h":             {0, "usage: ingot-node COMMAND", ""},
		"version":                 {0, "ingot-node ", ""},
		"identity --root /no/way": {2, "", `ingot-node: --root: "/no/way" is not a folder`},
		"status --root testdata":  {1, "", "ingot-node: nothing was decided"},
	} {
		t.Run(line, func(t *testing.T) {
			status, stdout, stderr := run(t, strings.Fields(line)...)
			if status != want.status || !strings.Contains(stdout, want.stdout) || !strings.Contains(stderr, want.stderr) ||
				(stdout == "") != (want.stdout == "") || (stderr == "") != (want.stderr == "") {
				t.Errorf("got status %d, stdout %q, stderr %q; want %+v", status, stdout, stderr, want)
			}
		})
	}
}

// A machine that was accepted and is refused later is not found accepted.
func TestRefusedLater(t *testing.T) {
	root := labMachine(t, t, "edge-0")
	if status, _, stderr := run(t, "identity", "--root", root); status != 0 {
		t.Fatal(stderr)
	}
	if got := readFile(t, root, "/etc/hostname"); got != "edge-0\n" {
		t.Errorf("the host name is %q", got)
	}
	want := "INGOT_CLUSTER=lab\nINGOT_NODE=edge-0\nINGOT_INDEX=4\nINGOT_ROLES=edge\nINGOT_IMAGE=lab-0a1b2c3d\nINGOT_NODEPORTS=0.0.0.0/0\n"
	if got := readFile(t, root, "/run/ingot/node.ok"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if status, stdout, _ := run(t, "status", "--root", root); status != 0 || stdout != "this is edge-0 of cluster lab (edge), index 4, 10.42.0.4\n" {
		t.Errorf("status %d: %s", status, stdout)
	}
	write(t, root, pin, 0o644, []byte("x"))
	if status, _, _ := run(t, "identity", "--root", root); status != 1 {
		t.Errorf("got status %d", status)
	}
	if exists(filepath.Join(root, "run/ingot/node.ok")) {
		t.Error("node.ok is still there")
	}
	if status, stdout, _ := run(t, "status", "--root", root); status != 1 || !strings.HasPrefix(stdout, "refused: the identity is damaged") {
		t.Errorf("status %d: %s", status, stdout)
	}
}

// What follows from an acceptance must work too, else it is none.
func TestCannotSettle(t *testing.T) {
	for name, c := range map[string]struct{ path, want string }{
		"host name": {"etc/hostname", "setting the host name edge-0: "},
		"decision":  {"run/ingot/decision.json", "noting the decision: "},
		"node.ok":   {"run/ingot/node.ok", "noting the decision: "},
	} {
		t.Run(name, func(t *testing.T) {
			root := labMachine(t, t, "edge-0")
			path := filepath.Join(root, c.path)
			must(t, os.RemoveAll(path))
			must(t, os.MkdirAll(filepath.Join(path, "x"), 0o755))
			status, _, stderr := run(t, "identity", "--root", root)
			if status != 1 || !strings.Contains(stderr, "refused: "+c.want) || strings.Contains(stderr, "this is edge-0") {
				t.Errorf("got status %d: %s", status, stderr)
			}
		})
	}
}

// Without a list of consoles there is /dev/console, and without any there is
// stderr.
func TestConsoles(t *testing.T) {
	root := labMachine(t, t, "edge-0")
	must(t, os.Remove(filepath.Join(root, "sys/class/tty/console/active")))
	_, _, first := run(t, "identity", "--root", root)
	if exists(filepath.Join(root, "dev/console")) {
		t.Error("it made a console")
	}
	write(t, root, "/dev/console", 0o600, nil)
	_, _, second := run(t, "identity", "--root", root)
	if got := readFile(t, root, "/dev/console"); got != second || first != second || got == "" {
		t.Errorf("got %q, want %q", got, second)
	}
}

// brokenWriter takes nothing.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestBrokenOutput(t *testing.T) {
	var stderr bytes.Buffer
	if status := (node.Machine{}).Run(context.Background(), brokenWriter{}, &stderr, []string{"version"}); status != 1 || !strings.Contains(stderr.String(), "writing results: broken") {
		t.Errorf("got status %d: %s", status, stderr.String())
	}
}
