package kubelet_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/kubelet"
)

// hosts are a node, 192.0.2.1, and a neighbour in its network, 192.0.2.2, who
// sends to the node what is for the mesh and for pods.
type hosts struct{ node, neighbour string }

func newHosts(t *testing.T) hosts {
	t.Helper()
	names := need.Netns(t, 2)
	h := hosts{names[0], names[1]}
	need.Tool(t, "nft")
	for _, line := range []string{
		"ip link add mesh0 type bridge", "ip link set mesh0 up", "ip address add 10.42.0.1/16 dev mesh0",
		"sysctl -qw net.ipv4.ip_forward=1",
	} {
		h.must(t, h.node, strings.Fields(line)...)
	}
	for _, to := range []string{"10.42.0.0/16", "10.244.0.0/16", "10.96.0.0/16"} {
		h.must(t, h.neighbour, "ip", "route", "add", to, "via", "192.0.2.1")
	}
	return h
}

func (h hosts) in(netns string, argv ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", netns}, argv...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (h hosts) must(t *testing.T, netns string, argv ...string) string {
	t.Helper()
	out, err := h.in(netns, argv...)
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return out
}

// load has nft load the ruleset, twice, as a reload does.
func (h hosts) load(t *testing.T, more string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "network.nft")
	rules := sample.File(t, kubelet.Layer(sample.Parse(t, more)), "/usr/lib/ingot/kubelet/network.nft")
	if err := os.WriteFile(file, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	h.must(t, h.node, "nft", "-f", file)
	before := h.must(t, h.node, "nft", "list", "ruleset")
	h.must(t, h.node, "nft", "-f", file)
	if after := h.must(t, h.node, "nft", "list", "ruleset"); after != before {
		t.Errorf("loaded again, it is another: %s\nbefore: %s", after, before)
	}
}

// knock tries a port: "refused" where a packet arrives, for nobody listens, and
// "silence" where it does not.
func (h hosts) knock(t *testing.T, from, address, port string) string {
	t.Helper()
	return h.must(t, from, need.Tool(t, "python3"), "-c", `import socket, sys
s = socket.socket()
s.settimeout(1.5)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("open")
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("silence")`, address, port)
}

// TestRulesKeepNeighboursOut: what listens on the mesh alone, and the API, are
// reached from the mesh, and from the outside where they are asked for.
func TestRulesKeepNeighboursOut(t *testing.T) {
	h := newHosts(t)
	check := func(when, from, address, port, want string) {
		t.Helper()
		if got := h.knock(t, from, address, port); got != want {
			t.Errorf("%s: %s:%s gives %s, want %s", when, address, port, got, want)
		}
	}
	// Without rules the node takes it all in.
	check("before", h.neighbour, "10.42.0.1", "10250", "refused")
	check("before", h.neighbour, "192.0.2.1", "6443", "refused")
	h.load(t, "")
	check("mesh address", h.neighbour, "10.42.0.1", "10250", "silence")
	check("API", h.neighbour, "192.0.2.1", "6443", "silence")
	check("another port", h.neighbour, "192.0.2.1", "22", "refused")
	check("the node itself", h.node, "10.42.0.1", "6443", "refused")
	// A neighbour who says that he is a node of the mesh.
	h.must(t, h.neighbour, "ip", "address", "add", "10.42.0.9/32", "dev", "lo")
	h.must(t, h.neighbour, "ip", "route", "replace", "192.0.2.1/32", "dev", "eth0", "src", "10.42.0.9")
	check("pretended node", h.neighbour, "192.0.2.1", "22", "silence")
}

// TestPublicAPI: with api.public the port is open, and nothing else of the mesh.
func TestPublicAPI(t *testing.T) {
	h := newHosts(t)
	c := sample.Parse(t, "")
	c.Def.API.Public = true
	file := filepath.Join(t.TempDir(), "network.nft")
	if err := os.WriteFile(file, sample.File(t, kubelet.Layer(c), "/usr/lib/ingot/kubelet/network.nft"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must(t, h.node, "nft", "-f", file)
	if got := h.knock(t, h.neighbour, "192.0.2.1", "6443"); got != "refused" {
		t.Errorf("the API gives %s", got)
	}
	if got := h.knock(t, h.neighbour, "10.42.0.1", "6443"); got != "silence" {
		t.Errorf("the mesh address gives %s", got)
	}
}

// TestRulesOfAllClusters: nft takes those of each sample.
func TestRulesOfAllClusters(t *testing.T) {
	netns := need.Netns(t, 1)[0]
	need.Tool(t, "nft")
	for _, name := range sample.Names() {
		file := filepath.Join(t.TempDir(), name+".nft")
		if err := os.WriteFile(file, sample.File(t, kubelet.Layer(sample.Cluster(t, name)), "/usr/lib/ingot/kubelet/network.nft"), 0o600); err != nil {
			t.Fatal(err)
		}
		hosts{}.must(t, netns, "nft", "-f", file)
	}
}

// TestPods has the real CNI plugins give two pods addresses: they reach each
// other, the node, and the outside, which sees the node's address alone.
func TestPods(t *testing.T) {
	h := newHosts(t)
	h.load(t, "")
	pods := need.Netns(t, 2)
	for i, pod := range pods {
		h.must(t, pod, "ip", "link", "delete", "eth0")
		out, err := h.plugin(t, pod, "ADD", "pod"+string(rune('0'+i)))
		want := "10.244.1." + string(rune('2'+i)) + "/24"
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("no address %s: %v: %s", want, err, out)
		}
	}
	ping := need.Tool(t, "ping")
	for what, address := range map[string]string{"the other pod": "10.244.1.3", "the node": "10.42.0.1", "the outside": "192.0.2.2"} {
		if out, err := h.in(pods[0], ping, "-c", "1", "-W", "2", address); err != nil {
			t.Errorf("%s (%s): %v: %s", what, address, err, out)
		}
	}
	// Only what was asked for comes back in.
	if out, err := h.in(h.neighbour, ping, "-c", "1", "-W", "1", "10.244.1.2"); err == nil {
		t.Errorf("a neighbour reaches a pod: %s", out)
	}
	if link := h.must(t, pods[0], "ip", "link", "show", "eth0"); !strings.Contains(link, "mtu 1400") {
		t.Errorf("the MTU is not the mesh's: %s", link)
	}
	for i, pod := range pods {
		if out, err := h.plugin(t, pod, "DEL", "pod"+string(rune('0'+i))); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// plugin runs the plugin bridge as containerd does, with the settings of a machine.
func (h hosts) plugin(t *testing.T, pod, command, id string) (string, error) {
	t.Helper()
	root := t.TempDir()
	runSettings(t, "dash", root, []string{"INGOT_MESH_IP=10.42.0.1", "INGOT_POD_CIDRS=10.244.1.0/24"})
	data, err := os.ReadFile(filepath.Join(root, "etc/cni/net.d/10-ingot.conflist"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		CNIVersion string           `json:"cniVersion"`
		Name       string           `json:"name"`
		Plugins    []map[string]any `json:"plugins"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	conf := list.Plugins[0]
	conf["cniVersion"], conf["name"] = list.CNIVersion, list.Name
	conf["ipam"].(map[string]any)["dataDir"] = filepath.Join(filepath.Dir(filepath.Dir(root)), "ipam-"+h.node)
	t.Cleanup(func() { _ = os.RemoveAll(conf["ipam"].(map[string]any)["dataDir"].(string)) })
	input, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	bridge := need.Tool(t, "/usr/lib/cni/bridge")
	cmd := exec.Command("ip", "netns", "exec", h.node, bridge)
	cmd.Env = append(os.Environ(), "CNI_COMMAND="+command, "CNI_CONTAINERID="+id, "CNI_NETNS=/run/netns/"+pod, "CNI_IFNAME=eth0", "CNI_PATH="+filepath.Dir(bridge))
	cmd.Stdin = strings.NewReader(string(input))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
