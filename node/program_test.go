package node_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
)

// maxProgram bounds the size of the program in bytes: it is on every machine.
const maxProgram = 9 << 20

// build builds a program as "make build" builds ingot-node.
func build(t *testing.T, source, target string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", target, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v: %s", source, err, out)
	}
}

// The program is static and small, and imports nothing that is not listed here.
func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ingot-node")
	build(t, "../cmd/ingot-node", program)
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ingot-node has %d bytes", info.Size())
	if info.Size() > maxProgram {
		t.Errorf("it has %d bytes (%d)", info.Size(), maxProgram)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it wants a dynamic loader")
		}
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "../cmd/ingot-node").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"golang.org/x/sys/unix",
		"github.com/ingot-k8s/ingot/internal/atomicfile",
		"github.com/ingot-k8s/ingot/ignition/bundle",
		"github.com/ingot-k8s/ingot/node/unpack",
		"github.com/ingot-k8s/ingot/internal/run",
		"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson",
		"github.com/ingot-k8s/ingot/node/etcd",
		"github.com/ingot-k8s/ingot/node/facts",
		"github.com/ingot-k8s/ingot/node/health",
		"github.com/ingot-k8s/ingot/node/addons",
		"github.com/ingot-k8s/ingot/node/boot",
		"github.com/ingot-k8s/ingot/node/boot/fetch",
		"github.com/ingot-k8s/ingot/node/boot/setting",
		"github.com/ingot-k8s/ingot/node/edge",
		"github.com/ingot-k8s/ingot/node/labels",
		"github.com/ingot-k8s/ingot/node/vip",
		"github.com/ingot-k8s/ingot/node/identity",
		"github.com/ingot-k8s/ingot/node/kubeapi",
		"github.com/ingot-k8s/ingot/node/mtls",
		"github.com/ingot-k8s/ingot/node/systemd",
		"github.com/ingot-k8s/ingot/node",
		"github.com/ingot-k8s/ingot/cmd/ingot-node",
	}
	for _, got := range strings.Fields(string(out)) {
		found := false
		for _, w := range want {
			found = found || got == w
		}
		if !found {
			t.Errorf("it imports %s", got)
		}
	}
	command(t, program)
}

// command runs the program over a folder.
func command(t *testing.T, program string) {
	root := labMachine(t, t, "lab0")
	var stderr bytes.Buffer
	cmd := exec.Command(program, "identity", "--no-start", "--root", root)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil || !strings.HasPrefix(stderr.String(), "ingot-node: ") || !strings.Contains(stderr.String(), "this is lab0 of cluster lab") {
		t.Errorf("accepted: %v: %s", err, stderr.String())
	}
	must(t, os.Remove(filepath.Join(root, kube+"sa.pub")))
	if err := exec.Command(program, "identity", "--root", root).Run(); err == nil || err.Error() != "exit status 1" {
		t.Errorf("refused: %v", err)
	}
	if err := exec.Command(program, "status", "--root", root).Run(); err == nil || err.Error() != "exit status 1" {
		t.Errorf("status of what was refused: %v", err)
	}
	if err := exec.Command(program, "identify").Run(); err == nil || err.Error() != "exit status 2" {
		t.Errorf("a command that is not there: %v", err)
	}
	if out, err := exec.Command(program, "version").Output(); err != nil || !strings.HasPrefix(string(out), "ingot-node ") {
		t.Errorf("version: %v: %s", err, out)
	}
}

// chrooted runs the program as on a machine: its root is the machine's, it may
// set the host name, which is of a namespace of its own, and it starts units.
func chrooted(t *testing.T, root string, args ...string) (string, error) {
	t.Helper()
	argv := append([]string{"--uts", "--root=" + root, "--wd=/", "/usr/lib/ingot/bin/ingot-node"}, args...)
	cmd := exec.Command(need.Tool(t, "unshare"), argv...)
	cmd.Env = []string{"PATH=/usr/bin"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestMachine(t *testing.T) {
	need.Root(t)
	root := labMachine(t, t, "lab0")
	build(t, "../cmd/ingot-node", filepath.Join(root, "usr/lib/ingot/bin/ingot-node"))
	build(t, "./testdata/systemctl", filepath.Join(root, "usr/bin/systemctl"))
	write(t, root, "/dev/null", 0o666, nil) // Go opens it for programs that get no input
	before, err := os.Hostname()
	must(t, err)

	said, err := chrooted(t, root, "status")
	if err == nil {
		t.Error("status before anything was decided: no error")
	}
	transcript := "$ ingot-node status\n" + said
	for _, args := range [][]string{{"identity", "--no-start"}, {"identity"}, {"status"}, {"status", "--json"}} {
		if args[0] == "status" {
			show(t, root)
		}
		said, err := chrooted(t, root, args...)
		if err != nil {
			t.Errorf("%q: %v: %s", args, err, said)
		}
		transcript += "$ ingot-node " + strings.Join(args, " ") + "\n" + said
	}
	transcript += "$ cat /systemctl.log /etc/hostname /run/ingot/node.ok\n" +
		readFile(t, root, "/systemctl.log") + readFile(t, root, "/etc/hostname") + readFile(t, root, "/run/ingot/node.ok")
	golden.Check(t, "testdata/machine.txt", []byte(transcript))

	// A unit that has failed, and a systemctl that does.
	put("/kubelet.service.show", "Id=kubelet.service\nActiveState=failed\nSubState=failed\n")(t, root)
	if said, err := chrooted(t, root, "status"); err == nil || !strings.Contains(said, "failed") {
		t.Errorf("with a unit that has failed: %v: %s", err, said)
	}
	must(t, os.Remove(filepath.Join(root, "usr/bin/systemctl")))
	if said, err := chrooted(t, root, "identity"); err == nil || !strings.Contains(said, "starting ingot-controller.target, ingot-worker.target, ingot-edge.target: ") {
		t.Errorf("without systemctl: %v: %s", err, said)
	}
	if after, err := os.Hostname(); err != nil || after != before {
		t.Errorf("the machine that tests it is called %q now, and was %q", after, before)
	}
}

// show writes what the systemctl of the test shows. It takes the last unit that
// it is asked for.
func show(t *testing.T, root string) {
	t.Helper()
	put("/ingot-controller.target.show", "Id=ingot-controller.target\nActiveState=active\nSubState=active\nWants=kube-apiserver.service etcd.service\n")(t, root)
	put("/kube-apiserver.service.show", "Id=etcd.service\nActiveState=active\nSubState=running\nWants=\n\nId=kube-apiserver.service\nActiveState=activating\nSubState=auto-restart\nWants=\n")(t, root)
	put("/ingot-worker.target.show", "Id=ingot-worker.target\nActiveState=active\nSubState=active\nWants=kubelet.service\n")(t, root)
	put("/kubelet.service.show", "Id=kubelet.service\nActiveState=active\nSubState=running\n")(t, root)
	put("/ingot-edge.target.show", "Id=ingot-edge.target\nActiveState=inactive\nSubState=dead\nWants=\n")(t, root)
}
