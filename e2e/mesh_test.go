package e2e_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need"
)

// TestMeshAndEtcd starts the real tincd and the real etcd of three controllers
// in network namespaces, from nothing but their config ISOs.
func TestMeshAndEtcd(t *testing.T) {
	need.Root(t)
	hosts := need.Netns(t, 3)
	c, nodes := machines(t, "lab", definition("lab"))
	for i, n := range nodes {
		n.netns = hosts[i]
		n.startMesh(t)
	}
	t.Run("every pair pings over the mesh", func(t *testing.T) { pingAll(t, nodes) })
	t.Run("pod ranges are routed", func(t *testing.T) { pingPods(t, nodes) })
	t.Run("the virtual address is answered", func(t *testing.T) {
		for _, n := range nodes {
			n.ping(t, c.VIP, "")
		}
	})
	t.Run("a node with a foreign key is refused", func(sub *testing.T) { foreignKey(sub, t, nodes) })
	t.Run("etcd", func(t *testing.T) { etcd(t, nodes) })
}

// patience is how long meshes and etcd may take on a busy machine.
const patience = 60 * time.Second

// startMesh runs tincd with the files that the identity put in place. The mesh
// ends with the test.
func (n *node) startMesh(t *testing.T) {
	t.Helper()
	conf := filepath.Join(n.root, "etc", "tinc", n.cluster.Def.Mesh.Interface)
	log, err := os.Create(filepath.Join(t.TempDir(), "tincd.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := n.command(need.Tool(t, "tincd"), "-D", "-d2", "-c", conf, "--pidfile="+filepath.Join(t.TempDir(), "tincd.pid"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.stopMesh = func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may be gone already
			_ = cmd.Wait()         // killed: its status says nothing
		}
	}
	t.Cleanup(func() {
		n.stopMesh()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("tincd of %s said:\n%s", n.name, said)
		}
		_ = log.Close() // only read by this test
	})
}

// ping waits until an address answers.
func (n *node) ping(t *testing.T, to netip.Addr, from string) {
	t.Helper()
	if !n.reaches(t, to, from, patience) {
		t.Errorf("%s does not reach %s", n.name, to)
	}
}

// reaches tries to ping an address for some time. Packets as large as the mesh
// takes show that its MTU is right.
func (n *node) reaches(t *testing.T, to netip.Addr, from string, limit time.Duration) bool {
	t.Helper()
	headers := 28 // IPv4 and ICMP
	if to.Is6() {
		headers = 48
	}
	args := []string{"-c1", "-W1", "-M", "do", "-s", fmt.Sprint(n.cluster.Def.Mesh.MTU - headers)}
	if from != "" {
		args = append(args, "-I", from)
	}
	args = append(args, to.String())
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if n.command(need.Tool(t, "ping"), args...).Run() == nil {
			return true
		}
	}
	return false
}

func pingAll(t *testing.T, nodes []*node) {
	for _, from := range nodes {
		for _, to := range nodes {
			for _, a := range to.MeshIPs {
				from.ping(t, a, "")
			}
		}
	}
}

// pingPods gives each node an address of its pod range, as a bridge of pods
// would have it, and pings from each to each.
func pingPods(t *testing.T, nodes []*node) {
	ip := need.Tool(t, "ip")
	pod := func(n *node) netip.Addr { return n.PodCIDRs[0].Addr().Next() }
	for _, n := range nodes {
		for _, args := range [][]string{
			{"link", "add", "pods", "type", "bridge"}, {"link", "set", "pods", "up"},
			{"address", "add", netip.PrefixFrom(pod(n), n.PodCIDRs[0].Bits()).String(), "dev", "pods"},
		} {
			if out, err := n.command(ip, args...).CombinedOutput(); err != nil {
				t.Fatalf("ip %v: %v: %s", args, err, out)
			}
		}
	}
	for _, from := range nodes {
		for _, to := range nodes {
			from.ping(t, pod(to), pod(from).String())
		}
	}
}

// foreignKey replaces the last node by one of a cluster with the same
// definition but other keys: nobody may talk to it. Then the real one comes
// back, for the rest of the whole test.
func foreignKey(t, whole *testing.T, nodes []*node) {
	_, strangers := machines(t, "lab", definition("lab"))
	last := nodes[len(nodes)-1]
	stranger := strangers[len(strangers)-1]
	stranger.netns = last.netns
	last.stopMesh()
	stranger.startMesh(t)
	for _, n := range nodes[:len(nodes)-1] {
		if n.reaches(t, last.MeshIP(), "", 10*time.Second) {
			t.Errorf("%s talks to a machine with a foreign key", n.name)
		}
		if stranger.reaches(t, n.MeshIP(), "", time.Second) {
			t.Errorf("a machine with a foreign key reaches %s", n.name)
		}
	}
	stranger.stopMesh()
	last.startMesh(whole) // it outlives this part
	nodes[0].ping(t, last.MeshIP(), "")
}

// command runs a program in the node's network namespace. It ends with the test.
func (n *node) command(program string, args ...string) *exec.Cmd {
	argv := append([]string{"netns", "exec", n.netns, program}, args...)
	return exec.CommandContext(n.ctx, n.ip, argv...)
}

// node is one machine of a test: a folder that its config ISO was applied to,
// and a network namespace.
type node struct {
	*cluster.Node
	name     string
	cluster  *cluster.Cluster
	root     string
	netns    string
	ip       string
	ctx      context.Context //nolint:containedctx // the test's
	stopMesh func()
}

// definition is a cluster of three controllers at the addresses that need.Netns gives.
func definition(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: ingot/v1\nkind: Cluster\nname: %s\ndomain: %s.example.com\nnodes:\n", name, name)
	for i := range 3 {
		fmt.Fprintf(&b, "  - {name: lab-%d, roles: [controller, worker], address: 192.0.2.%d}\n", i, i+1)
	}
	return b.String()
}
