package tinc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
	sample.Exposure(t, l, "ingot-vip.service", 3.0)
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

// TestSettings: what tincd reads is what the identity has, but for the virtual
// address, and no key goes anywhere.
func TestSettings(t *testing.T) {
	for node, announces := range map[string]bool{"lab0": true, "spare0": false} {
		root := t.TempDir()
		c := sample.Cluster(t, "lab")
		put := func(path, content string, mode os.FileMode) {
			t.Helper()
			at := filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(content), mode); err != nil {
				t.Fatal(err)
			}
		}
		own := "Port = 655\nSubnet = 10.42.0.1/32\nSubnet = 10.42.255.254/32#10\n-----BEGIN RSA PUBLIC KEY-----\nkey\n-----END RSA PUBLIC KEY-----\n"
		put("/etc/tinc/mesh0/tinc.conf", "Name = "+node+"\nMode = router\n", 0o644)
		put("/etc/tinc/mesh0/rsa_key.priv", "secret", 0o600)
		put("/etc/tinc/mesh0/tinc-up", "#!/bin/sh\nip address replace 10.42.0.1/16 dev x\nip address replace 10.42.255.254/32 dev x\n", 0o755)
		put("/etc/tinc/mesh0/hosts/"+node, own, 0o644)
		put("/etc/tinc/mesh0/hosts/other", "other", 0o644)
		put("/run/ingot/tinc/mesh0/hosts/left", "from before", 0o644)
		put("/settings", string(sample.File(t, of(c), "/usr/lib/ingot/tinc/settings")), 0o644)
		roles := "worker"
		if announces {
			roles = "controller,worker"
		}
		cmd := exec.Command(need.Tool(t, "dash"), filepath.Join(root, "settings"))
		cmd.Env = append(os.Environ(), "INGOT_ROOT="+root, "INGOT_MESH_INTERFACE=mesh0", "INGOT_API_VIP=10.42.255.254", "INGOT_ROLES="+roles)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got := map[string]string{}
		err := filepath.WalkDir(filepath.Join(root, "run/ingot/tinc/mesh0"), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				data, err := os.ReadFile(path)
				got[strings.TrimPrefix(path, root+"/run/ingot/tinc/mesh0/")] = string(data)
				return err
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"tinc.conf":     "Name = " + node + "\nMode = router\nPrivateKeyFile = " + root + "/etc/tinc/mesh0/rsa_key.priv\n",
			"tinc-up":       "#!/bin/sh\nip address replace 10.42.0.1/16 dev x\n",
			"hosts/" + node: strings.Replace(own, "Subnet = 10.42.255.254/32#10\n", "", 1),
			"hosts/other":   "other",
		}
		if announces {
			want["hosts/"+node+"_VIP"] = own[strings.Index(own, "-----BEGIN"):]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", node, diff)
		}
	}
}
