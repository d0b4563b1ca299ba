package node_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/node/health"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
)

// controller is the machine lab0 in a network namespace, with a real etcd, a
// real kube-apiserver and the real balancer, and the built program.
type controller struct {
	netns, root, program, kubernetes string
}

// newController starts a control plane. INGOT_TEST_KUBERNETES is a folder with
// the commands of Kubernetes.
func newController(t *testing.T) *controller {
	t.Helper()
	kubernetes := os.Getenv("INGOT_TEST_KUBERNETES")
	if kubernetes == "" {
		t.Skip("INGOT_TEST_KUBERNETES does not name a folder with the commands of Kubernetes")
	}
	need.Root(t)
	c := &controller{netns: need.Netns(t, 1)[0], root: labMachine(t, t, "lab0"), kubernetes: kubernetes}
	c.program = filepath.Join(t.TempDir(), "ingot-node")
	build(t, "../cmd/ingot-node", c.program)
	for _, line := range []string{
		"link add mesh0 type bridge", "link set mesh0 up",
		"address add 10.42.0.1/16 dev mesh0",
	} {
		c.must(t, append([]string{need.Tool(t, "ip")}, strings.Fields(line)...)...)
	}
	write(t, c.root, "/run/ingot/here", 0o644, nil)
	must(t, os.MkdirAll(filepath.Join(c.root, "var"), 0o755))
	c.ingot(t, "identity")
	return c
}

func (c *controller) start(t *testing.T) {
	t.Helper()
	pki := filepath.Join(c.root, "etc/kubernetes/pki")
	etcd := c.in(need.Tool(t, "etcd"))
	etcd.Env = os.Environ()
	for line := range strings.Lines(strings.ReplaceAll(readFile(t, c.root, "/etc/etcd/etcd.env"), "/etc/etcd/", c.root+"/etc/etcd/")) {
		line = strings.ReplaceAll(strings.TrimSpace(line), `"`, "")
		// Of the three members, this one is there.
		line = regexp.MustCompile(`^(ETCD_INITIAL_CLUSTER=[^,]*),.*`).ReplaceAllString(line, "$1")
		etcd.Env = append(etcd.Env, strings.Replace(line, "/var/lib/etcd", t.TempDir(), 1))
	}
	background(t, "etcd", etcd)
	background(t, "kube-apiserver", c.in(filepath.Join(c.kubernetes, "kube-apiserver"),
		"--secure-port=6443", "--advertise-address=10.42.0.1", "--service-cluster-ip-range=10.96.0.0/16",
		"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile="+c.root+"/etc/etcd/pki/ca.crt",
		"--etcd-certfile="+pki+"/apiserver-etcd-client.crt", "--etcd-keyfile="+pki+"/apiserver-etcd-client.key",
		"--client-ca-file="+pki+"/ca.crt", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--tls-cert-file="+pki+"/apiserver.crt", "--tls-private-key-file="+pki+"/apiserver.key",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+pki+"/sa.pub",
		"--service-account-signing-key-file="+pki+"/sa.key",
	))
	var conf []byte
	for _, f := range apiendpoint.Layer(worldOf(t, "lab").cluster).Files {
		conf = []byte(strings.ReplaceAll(string(f.Content), "/usr/lib/ingot", c.root+"/usr/lib/ingot"))
	}
	write(t, c.root, "/haproxy.cfg", 0o644, conf)
	background(t, "haproxy", c.in(need.Tool(t, "haproxy"), "-f", c.root+"/haproxy.cfg"))
}

func (c *controller) in(argv ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", c.netns}, argv...)...)
	cmd.Env = append(os.Environ(), "PATH="+c.kubernetes+":"+os.Getenv("PATH"), "TMPDIR="+c.root)
	return cmd
}

func (c *controller) must(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := c.in(argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return string(out)
}

// ingot runs the program about the machine.
func (c *controller) ingot(t *testing.T, args ...string) (text string, ok bool) {
	t.Helper()
	out, err := c.in(append(append([]string{c.program}, args...), "--root", c.root)...).CombinedOutput()
	return string(out), err == nil
}

func (c *controller) kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	pki := filepath.Join(c.root, "etc/kubernetes/pki")
	cmd := c.in(append([]string{
		filepath.Join(c.kubernetes, "kubectl"), "--kubeconfig=/dev/null", "--server=https://127.0.0.1:7443", "--certificate-authority=" + pki + "/ca.crt",
		"--client-certificate=" + pki + "/apiserver-kubelet-client.crt", "--client-key=" + pki + "/apiserver-kubelet-client.key",
		"--cache-dir=" + c.root + "/cache",
	}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// background starts a program that ends with the test.
func background(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			lines := strings.Split(log.String(), "\n")
			t.Logf("the end of what %s says:\n%s", name, strings.Join(lines[max(0, len(lines)-25):], "\n"))
		}
	})
}

// await waits at most three minutes.
func await(t *testing.T, what string, ready func() (string, bool)) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		var ok bool
		if last, ok = ready(); ok {
			return
		}
	}
	t.Fatalf("%s: not in time: %s", what, last)
}

func (c *controller) health(t *testing.T) *health.Report {
	t.Helper()
	out, err := c.in(c.program, "health", "--json", "--root", c.root).Output()
	var r health.Report
	if jsonErr := json.Unmarshal(out, &r); jsonErr != nil {
		t.Fatalf("%v, %v: %s", err, jsonErr, out)
	}
	if r.Healthy != (err == nil) {
		t.Errorf("healthy is %v, and the exit status says %v", r.Healthy, err)
	}
	return &r
}

func state(t *testing.T, r *health.Report, name string) health.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %s", name, r.Screen())
	return health.Check{}
}

const someNodes = `apiVersion: v1
kind: Node
metadata: {name: lab0, labels: {theirs: stays, node-role.kubernetes.io/edge: "", topology.kubernetes.io/zone: wrong}}
---
apiVersion: v1
kind: Node
metadata: {name: edge-0, labels: {node-role.kubernetes.io/worker: "", node-role.kubernetes.io/gpu: ""}}
---
apiVersion: v1
kind: Node
metadata: {name: foreign, labels: {node-role.kubernetes.io/worker: ""}}
`

// TestController: health, labels and add-ons against a real control plane.
func TestController(t *testing.T) {
	c := newController(t)
	before := c.health(t)
	if got := before.Line; got != "mesh=0/2 etcd=0/3 api=down node=unknown dns=down vip=away" {
		t.Errorf("before anything runs: %s", got)
	}
	c.start(t)
	await(t, "the API", func() (string, bool) {
		r := c.health(t)
		return r.Screen(), state(t, r, "apiserver").State == health.OK && state(t, r, "api").State == health.OK
	})
	c.applies(t)
	c.labels(t)
	r := c.health(t)
	t.Logf("%s\n%s", r.Line, r.Screen())
	if got := r.Line; got != "mesh=0/2 etcd=1/3 api=ok node=NotReady dns=down vip=away" {
		t.Errorf("with the control plane alone: %s", got)
	}
	for _, name := range []string{"identity", "etcd", "apiserver", "api", "addons", "certificates"} {
		if s := state(t, r, name); s.State != health.OK {
			t.Errorf("%+v", s)
		}
	}
}

// applies: the manifests in their order, one that is broken aside.
func (c *controller) applies(t *testing.T) {
	t.Helper()
	dir := "/usr/lib/ingot/addons/"
	rbac, err := os.ReadFile("../pki/rbac.yaml")
	must(t, err)
	write(t, c.root, dir+"00-rbac.yaml", 0o644, rbac)
	write(t, c.root, dir+"01-space.yaml", 0o644, []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n"))
	write(t, c.root, dir+"02-broken.yaml", 0o644, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n"))
	write(t, c.root, dir+"03-early.yaml", 0o644, []byte("apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: extra}\nspec: {size: 3}\n"))
	write(t, c.root, dir+"04-crd.yaml", 0o644, []byte(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}
`))
	write(t, c.root, dir+"05-map.json", 0o644, []byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "extra"}, "data": {"a": "b"}}`))
	began := time.Now()
	text, ok := c.ingot(t, "addons", "--once")
	t.Logf("kubectl took %v: %s", time.Since(began), text)
	if ok || !strings.Contains(text, "02-broken.yaml") || !strings.Contains(text, "03-early.yaml") || strings.Contains(text, "01-space.yaml") {
		t.Errorf("with a broken manifest: %v %s", ok, text)
	}
	if s := state(t, c.health(t), "addons"); s.State == health.OK || !strings.Contains(s.Text, "02-broken.yaml") {
		t.Errorf("%+v", s)
	}
	for _, args := range [][]string{{"clusterrolebinding", "ingot:admins"}, {"clusterrole", "ingot:dns"}, {"-n", "extra", "configmap", "m"}, {"crd", "widgets.example.com"}} {
		if out, err := c.kubectl(t, "", append([]string{"get"}, args...)...); err != nil {
			t.Errorf("%q: %v: %s", args, err, out)
		}
	}
	must(t, os.Remove(filepath.Join(c.root, dir, "02-broken.yaml")))
	await(t, "the CRD", func() (string, bool) { return c.ingot(t, "addons", "--once") })
	if out, err := c.kubectl(t, "", "-n", "extra", "get", "widgets.example.com", "w", "-o", "jsonpath={.metadata.managedFields[0].manager}"); err != nil || out != "ingot" {
		t.Errorf("%v: %s", err, out)
	}
}

// labels: those of the image are set, others stay.
func (c *controller) labels(t *testing.T) {
	t.Helper()
	if out, err := c.kubectl(t, someNodes, "create", "-f", "-"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 2 { // the second finds nothing to do
		text, ok := c.ingot(t, "labels", "--once")
		if !ok {
			t.Fatal(text)
		}
		t.Log(text)
	}
	if text, _ := c.ingot(t, "labels", "--once"); strings.Contains(text, "+") {
		t.Errorf("again: %s", text)
	}
	for name, want := range map[string]string{
		"lab0":    `{"node-role.kubernetes.io/control-plane":"","node-role.kubernetes.io/controller":"","node-role.kubernetes.io/edge":"","node-role.kubernetes.io/worker":"","theirs":"stays","topology.kubernetes.io/zone":"a"}`,
		"edge-0":  `{"node-role.kubernetes.io/edge":"","node-role.kubernetes.io/gpu":"","topology.kubernetes.io/zone":"a"}`,
		"foreign": `{"node-role.kubernetes.io/worker":""}`,
	} {
		if out, err := c.kubectl(t, "", "get", "node", name, "-o", "jsonpath={.metadata.labels}"); err != nil || out != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, out, want)
		}
	}
}
