package tinc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

func of(c *cluster.Cluster) layer.Layer { return sample.Must(tinc.Layer(c, sample.Public(c))) }

func TestLayer(t *testing.T) { sample.Golden(t, of) }

func TestUnit(t *testing.T) {
	c := sample.Cluster(t, "prod")
	l := of(c)
	sample.Verify(t, l)
	sample.Exposure(t, l, tinc.Unit(c), 3.0)
	sample.Shellcheck(t, l)
}

// TestAllNodes: the image has what every identity has of other nodes, byte for
// byte, and more, so that a spare can join without a new image.
func TestAllNodes(t *testing.T) {
	for _, name := range sample.Names() {
		c := sample.Cluster(t, name)
		pub := sample.Public(c)
		l := of(c)
		for i := range c.Nodes {
			want, err := ignition.MeshHost(c, &c.Nodes[i], pub.MeshKeys[c.Nodes[i].Name])
			if err != nil {
				t.Fatal(err)
			}
			if got := sample.File(t, l, want.Path); string(got) != string(want.Data) {
				t.Errorf("%s: %s: got %q, want %q", name, want.Path, got, want.Data)
			}
		}
	}
}

func TestLayerRefuses(t *testing.T) {
	c := sample.Cluster(t, "lab")
	for change, text := range map[string]string{"missing": "", "not a key": "key"} {
		pub := sample.Public(c)
		delete(pub.MeshKeys, "spare0")
		if text != "" {
			pub.MeshKeys["spare0"] = []byte(text)
		}
		if _, err := tinc.Layer(c, pub); err == nil || !strings.Contains(err.Error(), `"spare0"`) {
			t.Errorf("%s: got %v", change, err)
		}
	}
}

// TestWait has the script wait for an address that comes later.
func TestWait(t *testing.T) {
	netns := need.Netns(t, 1)[0]
	ip := need.Tool(t, "ip")
	script := filepath.Join(t.TempDir(), "wait")
	if err := os.WriteFile(script, sample.File(t, of(sample.Cluster(t, "lab")), "/usr/lib/ingot/tinc/wait"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait := exec.Command(ip, "netns", "exec", netns, need.Tool(t, "dash"), script)
	wait.Env = append(os.Environ(), "INGOT_MESH_INTERFACE=mesh0", "INGOT_MESH_IP=10.42.0.1")
	if err := wait.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- wait.Wait() }()
	do := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(ip, append([]string{"-n", netns}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %q: %v\n%s", args, err, out)
		}
	}
	do("link", "add", "mesh0", "type", "bridge")          // of which every kernel has the driver
	do("address", "add", "10.42.0.11/16", "dev", "mesh0") // begins alike
	select {
	case err := <-done:
		t.Fatalf("it did not wait for the address: %v", err)
	case <-time.After(700 * time.Millisecond):
	}
	do("address", "add", "10.42.0.1/16", "dev", "mesh0")
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		_ = wait.Process.Kill()
		t.Error("it did not see the address")
	}
}
