package controlplane_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/controlplane"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/kubelet"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/proxy"
)

// machine is a network namespace in which the programs of a node run, each
// with its user, its credentials and its capabilities, and with the files of
// the layers and of a real identity below a folder instead of /.
type machine struct {
	netns, root string
	env         map[string]string
	layers      []layer.Layer
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{netns: need.Netns(t, 1)[0], root: t.TempDir(), env: map[string]string{}}
	for dir := m.root; dir != "/" && strings.HasPrefix(dir, os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755|os.ModeSticky); err != nil { // other users come in
			t.Fatal(err)
		}
		if filepath.Dir(dir) == filepath.Clean(os.TempDir()) {
			break
		}
	}
	for _, dir := range []string{"var/lib", "var/log"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.run(t, "ip", "link", "add", "mesh0", "type", "bridge")
	m.run(t, "ip", "link", "set", "mesh0", "up")
	m.run(t, "ip", "address", "add", "10.42.0.1/16", "dev", "mesh0")
	file := m.file(t, "cluster.yaml", alone)
	c, report, err := cluster.Load(file)
	if err != nil || report.HasErrors() {
		t.Fatalf("%v, %v", err, report)
	}
	m.identity(t, c)
	m.layers = []layer.Layer{controlplane.Layer(c), proxy.Layer(c), kubelet.Layer(c)}
	for _, l := range m.layers {
		for _, f := range l.Files {
			m.file(t, f.Path, m.below(string(f.Content)))
		}
	}
	for line := range strings.Lines(m.read(t, "/etc/ingot/node.env")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		m.env[key] = strings.Trim(value, `"`)
	}
	return m
}

// identity lays down that of the node, and a kubeconfig for this test.
func (m *machine) identity(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	store, err := pki.Open(c, pki.Options{ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ensure(context.Background(), pki.EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	material, err := store.Material("a0")
	if err != nil {
		t.Fatal(err)
	}
	id, err := ignition.New(c, &c.Nodes[0], material, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range id.Files {
		at := m.file(t, f.Path, m.below(string(f.Data)))
		if err := os.Chmod(at, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	cred, err := store.BreakGlass(context.Background(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := pki.Kubeconfig(c, cred, "https://10.42.0.1:6443", material.CAs[pki.Kubernetes])
	if err != nil {
		t.Fatal(err)
	}
	m.file(t, "admin.conf", string(conf))
}

// below puts the paths of a text below the machine's folder.
func (m *machine) below(text string) string {
	return regexp.MustCompile(`(/etc/(kubernetes|etcd|ingot)/|/usr/lib/ingot/|/run/credentials/|/var/(log|lib)/[a-z]+)`).ReplaceAllString(text, m.root+"$1")
}

func (m *machine) file(t *testing.T, path, content string) string {
	t.Helper()
	at := filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return at
}

func (m *machine) read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(m.root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// in is a command in the machine's network.
func (m *machine) in(argv ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", m.netns}, argv...)...)
}

func (m *machine) run(t *testing.T, tool string, args ...string) {
	t.Helper()
	if out, err := m.in(append([]string{need.Tool(t, tool)}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", tool, args, err, out)
	}
}

func (m *machine) startEtcd(t *testing.T) {
	t.Helper()
	cmd := m.in(need.Tool(t, "etcd"))
	cmd.Env = os.Environ()
	for line := range strings.Lines(m.read(t, "/etc/etcd/etcd.env")) {
		cmd.Env = append(cmd.Env, strings.ReplaceAll(strings.TrimSpace(line), `"`, ""))
	}
	m.background(t, "etcd", cmd)
}

// start runs a service as its unit says.
func (m *machine) start(t *testing.T, name string) {
	t.Helper()
	var unit layer.Unit
	var user layer.User
	for _, l := range m.layers {
		for _, u := range l.Units {
			if u.Name == name+".service" {
				unit = u
			}
		}
		for _, u := range l.Users {
			if u.Name == name {
				user = u
			}
		}
	}
	credentials := filepath.Join(m.root, "run/credentials", unit.Name)
	id := strconv.Itoa(user.ID)
	argv := []string{need.Tool(t, "setpriv"), "--reuid=" + id, "--regid=" + id, "--clear-groups", "--no-new-privs"}
	for line := range strings.Lines(unit.Content) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "LoadCredential":
			credential, from, _ := strings.Cut(value, ":")
			at := m.file(t, filepath.Join("run/credentials", unit.Name, credential), m.read(t, from))
			own(t, user.ID, at)
		case "LogsDirectory":
			at := filepath.Join(m.root, "var/log", value)
			if err := os.MkdirAll(at, 0o700); err != nil {
				t.Fatal(err)
			}
			own(t, user.ID, at)
		case "AmbientCapabilities":
			if value != "" {
				capability := "+" + strings.ToLower(strings.TrimPrefix(value, "CAP_"))
				argv = append(argv, "--inh-caps="+capability, "--ambient-caps="+capability, "--bounding-set=-all,"+capability)
			}
		}
	}
	argv = append(argv, sample.Kubernetes(t, name))
	for _, f := range sample.Flags(t, layer.Layer{Units: []layer.Unit{unit}}, unit.Name) {
		value := sample.Value(t, layer.Layer{Units: []layer.Unit{unit}}, unit.Name, f)
		value = m.below(os.Expand(value, func(v string) string {
			if v == "CREDENTIALS_DIRECTORY" {
				return "/run/credentials/" + unit.Name
			}
			return m.env[v]
		}))
		argv = append(argv, "--"+f+"="+value)
	}
	own(t, user.ID, credentials)
	m.background(t, name, m.in(argv...))
}

func own(t *testing.T, id int, path string) {
	t.Helper()
	if err := os.Chown(path, id, id); err != nil {
		t.Fatal(err)
	}
}

// background starts a program that is ended with the test.
func (m *machine) background(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			lines := strings.Split(log.String(), "\n")
			t.Logf("the end of what %s says:\n%s", name, strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
}

// await waits for something, at most two minutes.
func (m *machine) await(t *testing.T, what string, ready func() (string, bool)) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		out, ok := ready()
		if ok {
			return
		}
		last = out
	}
	t.Fatalf("%s do not come: %s", what, last)
}

func (m *machine) kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	argv := []string{sample.Kubernetes(t, "kubectl"), "--kubeconfig=" + m.root + "/admin.conf", "--cache-dir=" + m.root + "/cache"}
	out, err := m.in(append(argv, args...)...).CombinedOutput()
	return string(out), err
}

func (m *machine) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.kubectl(t, args...)
	if err != nil {
		t.Fatalf("kubectl %q: %v: %s", args, err, out)
	}
	return out
}
