package kubelet_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/kubelet"
)

func TestLayer(t *testing.T) { sample.Golden(t, kubelet.Layer) }

func TestUnits(t *testing.T) {
	l := kubelet.Layer(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Shellcheck(t, l)
	sample.Exposure(t, l, "ingot-network.service", 2)
	// It is root and sees all file systems; this is what can be had all the same.
	sample.Exposure(t, l, "kubelet.service", 8.5)
}

// TestOwnFlags: a definition cannot set again what is set here.
func TestOwnFlags(t *testing.T) {
	sample.OwnFlags(t, kubelet.Layer, "kubelet.service", "kubelet", cluster.OwnFlags("kubelet"))
}

// TestEvictionHard: the kubelet takes what is given for all that there is.
func TestEvictionHard(t *testing.T) {
	c := sample.Parse(t, "") // without a threshold
	before := string(sample.File(t, kubelet.Layer(c), "/usr/lib/ingot/kubelet/config.yaml"))
	c.Def.Kubernetes.Kubelet.EvictionHard = map[string]string{"memory.available": "5%", "pid.available": "1000"}
	after := string(sample.File(t, kubelet.Layer(c), "/usr/lib/ingot/kubelet/config.yaml"))
	want := strings.Replace(before, "memory.available: 100Mi", "memory.available: 5%", 1)
	want = strings.Replace(want, "nodefs.inodesFree: 5%\n", "nodefs.inodesFree: 5%\n  pid.available: \"1000\"\n", 1)
	if after != want || before == after {
		t.Errorf("got:\n%s\nwant:\n%s", after, want)
	}
}

// shells are those that Debian's /bin/sh may be.
var shells = []string{"dash", "bash", "busybox"}

// TestNodeSettings has the script write the settings of machines.
func TestNodeSettings(t *testing.T) {
	for name, env := range map[string][]string{
		"plain":  {"INGOT_MESH_IP=10.42.0.1", "INGOT_POD_CIDRS=10.244.1.0/24", "INGOT_NODE_TAINTS="},
		"taints": {"INGOT_MESH_IP=fd42::1", "INGOT_POD_CIDRS=10.244.1.0/24,fd44:0:0:1::/64", "INGOT_NODE_TAINTS=dedicated=db:NoSchedule,example.com/gone:NoExecute,node-role.kubernetes.io/edge=:NoSchedule"},
	} {
		for _, shell := range shells {
			t.Run(name+"/"+shell, func(t *testing.T) {
				root := t.TempDir()
				runSettings(t, shell, root, env)
				runSettings(t, shell, root, env) // every start of the kubelet does
				var got strings.Builder
				for _, path := range []string{"run/ingot/kubelet.d/10-node.conf", "etc/cni/net.d/10-ingot.conflist"} {
					data, err := os.ReadFile(filepath.Join(root, path))
					if err != nil {
						t.Fatal(err)
					}
					got.WriteString("=== /" + path + "\n" + string(data))
				}
				golden.Check(t, filepath.Join("testdata", "settings-"+name+".txt"), []byte(got.String()))
				for _, dir := range []string{"run/ingot/kubelet.d", "etc/cni/net.d"} {
					left, err := os.ReadDir(filepath.Join(root, dir))
					if err != nil || len(left) != 1 {
						t.Errorf("%s: %v, %v; want one file", dir, left, err)
					}
				}
			})
		}
	}
}

// TestNodeSettingsNeedsIdentity: without a machine's address there is nothing
// that a kubelet could start with.
func TestNodeSettingsNeedsIdentity(t *testing.T) {
	root := t.TempDir()
	cmd := settings(t, "dash", root, []string{"INGOT_POD_CIDRS=10.244.1.0/24"})
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "INGOT_MESH_IP") {
		t.Errorf("%v: %s", err, out)
	}
}

func runSettings(t *testing.T, shell, root string, env []string) {
	t.Helper()
	if out, err := settings(t, shell, root, env).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
}

// settings lays down the layer's files for pods of both families.
func settings(t *testing.T, shell, root string, env []string) *exec.Cmd {
	t.Helper()
	l := kubelet.Layer(sample.Cluster(t, "prod"))
	for _, path := range []string{"/usr/lib/ingot/kubelet/cni.conflist", "/usr/lib/ingot/kubelet/node-settings"} {
		at := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, sample.File(t, l, path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	argv := []string{need.Tool(t, shell), filepath.Join(root, "usr/lib/ingot/kubelet/node-settings")}
	if shell == "busybox" {
		argv = slices.Insert(argv, 1, "sh")
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "INGOT_ROOT=" + root}, env...)
	return cmd
}

// TestKubeletReadsConfig has the kubelet itself read its settings, those of a
// machine too, and look for faults. A last fault that is meant keeps it from
// starting.
func TestKubeletReadsConfig(t *testing.T) {
	kubeletPath := sample.Kubernetes(t, "kubelet")
	sample.KnownFlags(t, kubelet.Layer, "kubelet.service", "kubelet")
	for _, name := range sample.Names() {
		c := sample.Cluster(t, name)
		if len(c.Def.Kubernetes.FeatureGates) > 0 { // those of the sample are not there for good
			c.Def.Kubernetes.FeatureGates = map[string]bool{"AllAlpha": false}
		}
		root := t.TempDir()
		runSettings(t, "dash", root, []string{"INGOT_MESH_IP=10.42.0.1", "INGOT_POD_CIDRS=10.244.1.0/24", "INGOT_NODE_TAINTS=dedicated=db:NoSchedule,a:NoExecute"})
		config := filepath.Join(root, "config.yaml")
		last := filepath.Join(root, "run/ingot/kubelet.d/99-last.conf")
		for path, data := range map[string][]byte{
			config: sample.File(t, kubelet.Layer(c), "/usr/lib/ingot/kubelet/config.yaml"),
			last:   []byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nnodeLeaseDurationSeconds: -1\n"),
		} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command(kubeletPath, "--config="+config, "--config-dir="+filepath.Dir(last), "--root-dir="+root).CombinedOutput()
		text := string(out)
		if err == nil || !strings.Contains(text, "nodeLeaseDurationSeconds must be greater than 0") || strings.Count(text, "invalid configuration") != 1 {
			t.Errorf("%s: %v: %s", name, err, text)
		}
		for _, word := range []string{"strict", "unknown field", "deprecated"} {
			if strings.Contains(text, word) {
				t.Errorf("%s: %s: %s", name, word, text)
			}
		}
	}
}
