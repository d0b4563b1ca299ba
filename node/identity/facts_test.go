package identity_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/node/identity"
)

func load(t testing.TB, name string) *cluster.Cluster {
	t.Helper()
	c, report, err := cluster.Load(filepath.Join("..", "..", "clusters", name, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if report.HasErrors() {
		t.Fatal(report.Err())
	}
	return c
}

// nodeJSON is node.json as identities have it.
func nodeJSON(t testing.TB, c *cluster.Cluster, n *cluster.Node) []byte {
	t.Helper()
	data, err := json.Marshal(ignition.FactsOf(c, n))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What ignition writes is what is read here.
func TestParseFacts(t *testing.T) {
	for _, name := range []string{"lab", "prod"} {
		c := load(t, name)
		for i := range c.Nodes {
			n := &c.Nodes[i]
			f, err := identity.ParseFacts(nodeJSON(t, c, n))
			if err != nil {
				t.Fatalf("%s: %v", n.Name, err)
			}
			for _, r := range []cluster.Role{cluster.Controller, cluster.Worker, cluster.Edge} {
				if f.Has(string(r)) != n.Has(r) {
					t.Errorf("%s: role %s is %v", n.Name, r, f.Has(string(r)))
				}
			}
			if f.Name != n.Name || f.FQDN != c.FQDN(n) || f.Cluster != c.Def.Name || f.Domain != c.Def.Domain || f.Index != n.Index || f.Spare != n.Spare ||
				!slices.Equal(f.Mesh.Addresses, n.MeshIPs) || !slices.Equal(f.Pods.CIDRs, n.PodCIDRs) || f.Mesh.Interface != c.Def.Mesh.Interface {
				t.Errorf("%s: got %+v", n.Name, f)
			}
		}
	}
}

func TestParseFactsRefuses(t *testing.T) {
	c := load(t, "lab")
	text := string(nodeJSON(t, c, &c.Nodes[0]))
	for name, change := range map[string]struct{ old, new, want string }{
		"kind":          {`"Node"`, `"Image"`, "apiVersion and kind"},
		"name":          {`"name":"lab0"`, `"name":"-lab0"`, "name is not a DNS name of at most 63"},
		"dotted name":   {`"name":"lab0"`, `"name":"lab0.x"`, "name is not a DNS name of at most 63"},
		"empty cluster": {`"cluster":"lab"`, `"cluster":""`, "cluster is not a DNS name of at most 63"},
		"long domain":   {`"domain":"`, `"domain":"` + strings.Repeat("a.", 127), "domain is not a DNS name of at most 253"},
		"index":         {`"index":1`, `"index":0`, "must be there"},
		"addresses":     {`"addresses":["10.42.0.1"]`, `"addresses":[]`, "must be there"},
		"zone":          {`"addresses":["10.42.0.1"]`, `"addresses":["fe80::1%\u001b[2J"]`, "what is no address"},
		"no address":    {`"addresses":["10.42.0.1"]`, `"addresses":[""]`, "what is no address"},
		"interface":     {`"interface":"mesh0"`, `"interface":"sixteen-letters-"`, "the name of an interface"},
		"role":          {`"controller"`, `"king"`, "controller, worker, edge"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(text, change.old, change.new, 1)
			if changed == text {
				t.Fatal("nothing was changed")
			}
			if _, err := identity.ParseFacts([]byte(changed)); err == nil || !strings.Contains(err.Error(), change.want) {
				t.Errorf("got %v, want %q", err, change.want)
			}
		})
	}
}

// Whatever is accepted can be shown on a console and be a part of a path.
func FuzzParseFacts(f *testing.F) {
	c := load(f, "lab")
	f.Add(nodeJSON(f, c, &c.Nodes[0]))
	f.Add([]byte(`{"apiVersion":"ingot/v1","kind":"Node"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := identity.ParseFacts(data)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("an error quotes what it was given: %q", err)
			}
			return
		}
		d := identity.Decision{Cluster: facts.Cluster, Node: facts.Name, Index: facts.Index, Spare: facts.Spare, Roles: facts.Roles, Addresses: facts.Mesh.Addresses}
		if s := d.Summary() + facts.FQDN + facts.Domain + facts.Mesh.Interface; strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("this cannot be shown: %q", s)
		}
		if strings.Contains(facts.Name+facts.Mesh.Interface, "/") || facts.Mesh.Interface == ".." {
			t.Errorf("this is no part of a path: %+v", facts)
		}
	})
}
