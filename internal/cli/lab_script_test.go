package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/ingot-k8s/ingot/lab/machine"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestLabScripts runs the scripts in testdata/lab, with echo.qcow2 for their
// machines.
func TestLabScripts(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	image, err := os.ReadFile(qemu.EchoImage(t))
	if err != nil {
		t.Fatal(err)
	}
	p := params(filepath.Join("testdata", "lab"))
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Defer(func() { endLabs(t, env.WorkDir) })
		if err := os.WriteFile(filepath.Join(env.WorkDir, "echo.qcow2"), image, 0o600); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(env.WorkDir, "bin", "ssh"), 0o755); err != nil {
			return err
		}
		return setup(env)
	}
	p.Cmds["eventually"] = eventually
	testscript.Run(t, p)
}

// endLabs leaves nothing running of a script that has failed.
func endLabs(t *testing.T, dir string) {
	labs, err := filepath.Glob(filepath.Join(dir, "out", "*", "lab"))
	if err != nil {
		t.Error(err)
	}
	for _, dir := range labs {
		if err := control.New(dir).Kill9(); err != nil && !errors.Is(err, control.ErrDown) {
			t.Error(err)
		}
	}
}

// eventually NODE REGEXP: waits until a machine of the cluster two has said
// something.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: eventually node regexp")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	log := filepath.Join(ts.MkAbs("out"), "two", "lab", lab.MachinesDir, args[0], machine.ConsoleLog)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		said, err := os.ReadFile(log)
		if err == nil && want.Match(said) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("machine %s says %q (%v)", args[0], said, err)
		}
	}
}
