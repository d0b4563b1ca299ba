package ignition_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/pki"
)

// labNodes are the nodes of the lab with the spare, which only dials out.
var labNodes = []string{"lab0", "lab1", "lab2", "spare0"}

// daemon starts a program in a network namespace and ends it at cleanup.
func daemon(t *testing.T, netns string, env []string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(need.Tool(t, "ip"), append([]string{"netns", "exec", netns}, argv...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(cmd)
		if t.Failed() {
			t.Logf("%s in %s said: %s", argv[0], netns, tailOf(said.String()))
		}
	})
	return cmd
}

func stop(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	}
}

func tailOf(s string) string { return s[max(0, len(s)-4000):] }

// inNetns runs a program in a network namespace.
func inNetns(t *testing.T, netns string, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, need.Tool(t, "ip"), append([]string{"netns", "exec", netns}, argv...)...).CombinedOutput()
	return string(out), err
}

// eventually tries until it works, for at most a minute.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// lab is four machines in network namespaces, with their identities unpacked
// and tincd running.
type lab struct {
	world *world
	netns []string
	dirs  []string // in place of /
	tincd []*exec.Cmd
}

func newLab(t *testing.T, world *world) *lab {
	t.Helper()
	need.Tool(t, "tincd")
	l := &lab{world: world, netns: need.Netns(t, len(labNodes))}
	for i, name := range labNodes {
		n, _ := world.cluster.Node(name)
		dir := t.TempDir()
		install(t, dir, world.identity(t, name).Files)
		l.dirs = append(l.dirs, dir)
		if n.Spec.Address != "" {
			l.must(t, i, "ip", "address", "add", n.Spec.Address+"/24", "dev", "eth0")
		}
		// A pod.
		l.must(t, i, "ip", "address", "add", n.PodCIDRs[0].Addr().Next().String()+"/32", "dev", "lo")
		l.start(t, i)
	}
	return l
}

func (l *lab) start(t *testing.T, i int) {
	t.Helper()
	dir := filepath.Join(l.dirs[i], "etc/tinc/mesh0")
	cmd := daemon(t, l.netns[i], nil, need.Tool(t, "tincd"), "-c", dir, "-D", "-d1", "--pidfile="+filepath.Join(dir, "pid"))
	l.tincd = append(l.tincd, cmd)
}

func (l *lab) must(t *testing.T, i int, argv ...string) string {
	t.Helper()
	out, err := inNetns(t, l.netns[i], argv...)
	if err != nil {
		t.Fatalf("%s: %q: %v: %s", labNodes[i], argv, err, out)
	}
	return out
}

func (l *lab) ping(t *testing.T, i int, address string, options ...string) error {
	t.Helper()
	argv := append([]string{need.Tool(t, "ping"), "-n", "-q", "-c1", "-W2"}, options...)
	_, err := inNetns(t, l.netns[i], append(argv, address)...)
	return err
}

// The mesh of the identities, with the real tincd: all nodes reach each other,
// pods reach pods, and the virtual address moves when its holder dies.
func TestMesh(t *testing.T) {
	l := newLab(t, shipped(t, "lab"))
	c := l.world.cluster
	for i, from := range labNodes {
		a, _ := c.Node(from)
		for _, to := range labNodes {
			b, _ := c.Node(to)
			if from == to {
				continue
			}
			eventually(t, from+" to "+to, func() error { return l.ping(t, i, b.MeshIP().String()) })
			pod := func(n *cluster.Node) string { return n.PodCIDRs[0].Addr().Next().String() }
			eventually(t, "a pod of "+from+" to one of "+to, func() error { return l.ping(t, i, pod(b), "-I", pod(a)) })
		}
	}
	// A packet that fills the mesh's MTU passes whole.
	if err := l.ping(t, 3, "10.42.0.1", "-Mdo", "-s1372"); err != nil {
		t.Errorf("a packet of 1400 bytes does not pass: %v", err)
	}
	eventually(t, "the virtual address", func() error { return l.ping(t, 3, c.VIP.String()) })
	stop(l.tincd[0])
	eventually(t, "the virtual address without lab0", func() error { return l.ping(t, 3, c.VIP.String()) })
	if err := l.ping(t, 3, "10.42.0.1"); err == nil {
		t.Error("lab0 still answers: this test shows nothing")
	}
}

// A node whose key the others do not have is refused.
func TestMeshForeignKey(t *testing.T) {
	w := *shipped(t, "lab")
	foreign := *w.material["spare0"]
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Mesh.PrivatePEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	foreign.Mesh.PublicPEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)})
	material := w.material
	w.material = map[string]*pki.Material{}
	for name, m := range material {
		w.material[name] = m
	}
	w.material["spare0"] = &foreign
	l := newLab(t, &w)
	eventually(t, "lab0 to lab1", func() error { return l.ping(t, 0, "10.42.0.2") })
	for range 5 {
		if err := l.ping(t, 3, "10.42.0.1"); err == nil {
			t.Fatal("a node with a foreign key is in the mesh")
		}
	}
}

func TestMeshPeers(t *testing.T) {
	// 2 controllers that can be dialled, 6 other such nodes, 3 that only dial out.
	c := &cluster.Cluster{}
	add := func(name, address string, spare bool, roles ...cluster.Role) {
		c.Nodes = append(c.Nodes, cluster.Node{Name: name, Spare: spare, Spec: cluster.NodeSpec{Address: address, Roles: roles}})
	}
	for _, name := range []string{"w1", "w2", "w3", "w4"} {
		add(name, "192.0.2.1", false, cluster.Worker)
	}
	add("c1", "192.0.2.2", false, cluster.Controller)
	add("c2", "192.0.2.3", false, cluster.Controller)
	add("nat", "", false, cluster.Controller)
	add("spare0", "", true, cluster.Worker)
	hubs := []string{"c1", "c2", "w1", "w2", "w3"}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		want := slices.DeleteFunc(slices.Clone(hubs), func(h string) bool { return h == n.Name })
		if slices.Contains(hubs, n.Name) {
			want = nil // all others, in order
			for j := range c.Nodes {
				if j != i {
					want = append(want, c.Nodes[j].Name)
				}
			}
		}
		if got := ignition.MeshPeerNames(c, n); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", n.Name, got, want)
		}
	}
}
