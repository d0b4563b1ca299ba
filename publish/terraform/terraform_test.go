package terraform_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
	"github.com/ingot-k8s/ingot/publish/terraform"
	"github.com/ingot-k8s/ingot/publish/vsphere"
)

const (
	imageID = "0123456789ab"
	files   = "/srv/out/sea/nodes"
)

// load reads a definition, with some of its words replaced.
func load(t *testing.T, replace ...string) *cluster.Cluster {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "sea.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(string(data), replace[i]) {
			t.Fatalf("the definition has no %q", replace[i])
		}
	}
	text := strings.NewReplacer(replace...).Replace(string(data))
	var r diag.Report
	c, err := cluster.Parse(filepath.Join(t.TempDir(), "cluster.yaml"), []byte(text), nil, &r)
	if err != nil {
		var b strings.Builder
		_ = r.Write(&b)
		t.Fatalf("%v\n%s", err, b.String())
	}
	return c
}

func userData(node string) string { return path.Join(node, "user_data.inline") }

func droplets(t *testing.T, c *cluster.Cluster) *terraform.Export {
	t.Helper()
	l, err := digitalocean.NewLayout(c, imageID, userData)
	if err != nil {
		t.Fatal(err)
	}
	return &terraform.Export{
		Destination: digitalocean.Name, Cluster: c.Def.Name, Image: imageID, Nodes: len(l.Nodes), Variables: &terraform.DigitalOcean{Layout: *l, Files: files},
	}
}

// machines are the nodes as the definition has them.
func machines(c *cluster.Cluster) []vsphere.Machine {
	var out []vsphere.Machine
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if !c.Def.Publish.VSphere.Has(n) {
			continue
		}
		m := vsphere.Machine{Node: n.Name, Size: c.Def.Publish.VSphere.Size(n.Name), Identity: path.Join(n.Name, "config.iso")}
		if n.Spec.Network != nil {
			m.MAC = n.Spec.Network.Interfaces[0].MAC
		}
		out = append(out, m)
	}
	return out
}

func virtualMachines(t *testing.T, c *cluster.Cluster) *terraform.Export {
	t.Helper()
	l, err := vsphere.NewLayout(c.Def.Name, *c.Def.Publish.VSphere, imageID, machines(c))
	if err != nil {
		t.Fatal(err)
	}
	return &terraform.Export{
		Destination: vsphere.Name, Cluster: c.Def.Name, Image: imageID, Nodes: len(l.Nodes), Variables: &terraform.VSphere{Layout: *l, Files: files},
	}
}

func encode(t *testing.T, e *terraform.Export) []byte {
	t.Helper()
	text, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGolden(t *testing.T) {
	c := load(t)
	for name, e := range map[string]*terraform.Export{"digitalocean": droplets(t, c), "vsphere": virtualMachines(t, c)} {
		t.Run(name, func(t *testing.T) {
			golden.Check(t, filepath.Join("testdata", name+".json"), encode(t, e))
		})
	}
}

// TestPrivate: without a public API its name is that of the virtual address,
// and without a zone there are no names.
func TestPrivate(t *testing.T) {
	text := string(encode(t, droplets(t, load(t, "public: true", "public: false"))))
	if strings.Contains(text, "ingot-sea-api") || !strings.Contains(text, `"value": "10.42.`) {
		t.Errorf("the API is open, or not named:\n%s", text)
	}
	text = string(encode(t, droplets(t, load(t, "    dnsZone: example.com\n", ""))))
	if !strings.Contains(text, `"dns_zone": null`) || !strings.Contains(text, `"records": []`) {
		t.Errorf("there are names without a zone:\n%s", text)
	}
}

func TestLayoutErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		replace []string
		want    string
	}{
		"region": {[]string{"    regions: [fra1, ams3]\n", "", "    vpcRanges: {fra1: 192.168.16.0/20}\n", ""}, "no region is given"},
		"size":   {[]string{"    size: s-2vcpu-4gb\n", ""}, "node \"master0\": no size is given: publish.digitalocean.size or sizes\nnode \"master1\""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := digitalocean.NewLayout(load(t, tc.replace...), imageID, userData)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	c := load(t, "    datacenter: DC0\n", "", "    datastore: LocalDS_0\n", "")
	_, err := vsphere.NewLayout(c.Def.Name, *c.Def.Publish.VSphere, imageID, machines(c))
	if err == nil || !strings.Contains(err.Error(), "publish.vsphere.datacenter: not given") || !strings.Contains(err.Error(), "publish.vsphere.datastore: not given") {
		t.Errorf("error %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	file := filepath.Join(dir, terraform.File)
	run := func(c *cluster.Cluster, dry bool, state publish.State) {
		t.Helper()
		e := droplets(t, c)
		s, err := e.Write(dir, dry)
		if err != nil {
			t.Fatal(err)
		}
		want := []publish.Item{{Kind: "variables", Name: file, State: state, Note: "for 4 nodes"}}
		if diff := cmp.Diff(want, s.Items); diff != "" || s.DryRun != dry || len(s.Calls) > 0 != (state != publish.Kept) {
			t.Errorf("%+v: -want +got\n%s", s, diff)
		}
		got, err := os.ReadFile(file)
		if is := err == nil && string(got) == string(encode(t, e)); is != (!dry || state == publish.Kept) {
			t.Errorf("the file is as it should be: %t (%v)", is, err)
		}
	}
	c, other := load(t), load(t, "s-1vcpu-1gb", "s-4vcpu-8gb")
	run(c, true, publish.Created)
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Error("a dry run made a folder")
	}
	run(c, false, publish.Created)
	run(c, false, publish.Kept)
	run(other, true, publish.Changed)
	run(other, false, publish.Changed)
	run(other, true, publish.Kept)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", file); err != nil {
		t.Fatal(err)
	}
	if _, err := droplets(t, c).Write(dir, false); err == nil {
		t.Error("a link was followed")
	}
}
