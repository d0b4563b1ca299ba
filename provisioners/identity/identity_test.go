package identity_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

func of(c *cluster.Cluster) layer.Layer { return sample.Must(identity.Layer(c, sample.Public(c))) }

func TestLayer(t *testing.T) { sample.Golden(t, of) }

func TestUnits(t *testing.T) {
	l := of(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Exposure(t, l, identity.NodeUnit, 3.0)
	sample.Exposure(t, l, identity.UnpackUnit, 5.0)
}

// TestFacts: what ingot-node reads is what the definition says.
func TestFacts(t *testing.T) {
	for _, name := range sample.Names() {
		c := sample.Cluster(t, name)
		got, err := clusterjson.Parse(sample.File(t, of(c), clusterjson.Path))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Nodes) != len(c.Nodes) || len(got.Authorities) != len(pki.Authorities()) || got.Name != c.Def.Name {
			t.Errorf("%s: %d nodes, %d authorities", got.Name, len(got.Nodes), len(got.Authorities))
		}
		for i := range c.Nodes {
			n := &c.Nodes[i]
			g, ok := got.Node(n.Name)
			if !ok || g.Index != n.Index || g.Spare != n.Spare || g.Addresses[0] != n.MeshIP() || g.Has("controller") != n.Has(cluster.Controller) {
				t.Errorf("%s: got %+v, want %+v", n.Name, g, n)
			}
		}
	}
}

func TestLayerRefuses(t *testing.T) {
	c := sample.Cluster(t, "lab")
	pub := sample.Public(c)
	delete(pub.CAs, pki.FrontProxy)
	if _, err := identity.Layer(c, pub); err == nil || !strings.Contains(err.Error(), `"front-proxy"`) {
		t.Errorf("got %v", err)
	}
}

// TestHosts: a name under which tinc dials a node leads out of the mesh.
func TestHosts(t *testing.T) {
	c := sample.Cluster(t, "prod")
	c.Nodes[1].Spec.Address = "master0" // a name of another machine outside
	hosts := string(sample.File(t, of(c), "/etc/hosts"))
	if strings.Contains(hosts, "prod.example.com") || strings.Contains(hosts, " master0\n") || !strings.Contains(hosts, " master1\n") {
		t.Error(hosts)
	}
}

// TestTargets: nothing of a role starts without a verified identity.
func TestTargets(t *testing.T) {
	l := of(sample.Cluster(t, "lab"))
	found := 0
	for _, u := range l.Units {
		for _, name := range identity.Targets() {
			if u.Name == name {
				found++
				if !strings.Contains(u.Content, "\nRequires=ingot-node.service\nAfter=ingot-node.service\n") || len(u.WantedBy) > 0 {
					t.Errorf("%s: %+v", name, u)
				}
			}
		}
	}
	if found != 3 {
		t.Errorf("found %d targets, want 3", found)
	}
}

// TestCloudInit holds the settings against cloud-init itself: its modules, its
// datasources, and its schema.
func TestCloudInit(t *testing.T) {
	c := sample.Parse(t, "")
	c.Def.Provisioning = cluster.ProvisioningCloudInit
	l := of(c)
	config := string(sample.File(t, l, "/etc/cloud/cloud.cfg.d/99-ingot.cfg"))
	if !strings.Contains(config, "datasource_list: [ConfigDrive, NoCloud, VMware, DigitalOcean, None]\n") {
		t.Error(config)
	}
	c.Def.Image.Targets = []string{"qemu"}
	if text := string(sample.File(t, of(c), "/etc/cloud/cloud.cfg.d/99-ingot.cfg")); !strings.Contains(text, "[ConfigDrive, NoCloud, None]") {
		t.Error(text)
	}
	tool := need.Tool(t, "cloud-init")
	file := filepath.Join(t.TempDir(), "config")
	// The schema, which is for user data, refuses an empty list. Of the system's
	// settings, it takes the place of the package's list with a default user.
	ofSchema := strings.Replace(config, "\nusers: []\n", "\n", 1)
	if ofSchema == config {
		t.Error("the default user is not switched off")
	}
	if err := os.WriteFile(file, []byte("#cloud-config\n"+ofSchema), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "schema", "--config-file", file).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	lib := "/usr/lib/python3/dist-packages/cloudinit/"
	for _, m := range regexp.MustCompile(`(?m)^cloud_\w+_modules: \[(.*)\]$`).FindAllStringSubmatch(config, -1) {
		for _, module := range strings.Split(m[1], ", ") {
			if _, err := os.Stat(lib + "config/cc_" + module + ".py"); err != nil {
				t.Errorf("cloud-init has no module %q", module)
			}
		}
	}
	for _, source := range []string{"NoCloud", "ConfigDrive", "VMware", "DigitalOcean", "None"} {
		if _, err := os.Stat(lib + "sources/DataSource" + source + ".py"); err != nil {
			t.Errorf("cloud-init has no datasource %q", source)
		}
	}
}

// TestStages: the stages of cloud-init are other units in Debian 12.
func TestStages(t *testing.T) {
	for debian, want := range map[int]string{12: "cloud-init.service", 13: "cloud-init-network.service"} {
		c := sample.Parse(t, "")
		c.Def.Provisioning, c.Def.Image.Debian = cluster.ProvisioningCloudInit, debian
		entries, err := of(c).Entries()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range entries {
			found = found || e.Path == "/usr/lib/systemd/system/cloud-init.target.wants/"+want && e.Target == "../"+want
		}
		if !found {
			t.Errorf("Debian %d: nothing wants %s", debian, want)
		}
	}
}
