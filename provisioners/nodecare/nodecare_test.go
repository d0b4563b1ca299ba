package nodecare_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/node/edge"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/nodecare"
)

func of(c *cluster.Cluster) layer.Layer { return sample.Must(nodecare.Layer(c)) }

func TestLayer(t *testing.T) { sample.Golden(t, of) }

func TestUnits(t *testing.T) {
	l := of(sample.Cluster(t, "everything"))
	sample.Verify(t, l)
	for _, u := range l.Units {
		sample.Exposure(t, l, u.Name, 2.5)
	}
}

// TestManifests: kubectl goes through a folder by the names of its files, so
// these are in the definition's order, whatever the files are called.
func TestManifests(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"z.yaml", "all/b.json", "all/a b.yml", "all/notes.txt", "all/more/c.yaml", "many/x.yaml"} {
		write(name)
	}
	c := sample.Cluster(t, "prod")
	c.Dir, c.Def.Addons = dir, []string{"z.yaml", "all/", "all/b.json", "many"}
	got := map[string]string{}
	var names []string
	for _, f := range of(c).Files {
		names = append(names, path.Base(f.Path))
		got[path.Base(f.Path)] = string(f.Content)
	}
	if want := []string{"00-rbac.yaml", "01-z.yaml", "02-a-b.yml", "03-b.json", "04-x.yaml"}; !slices.Equal(names, want) || !slices.IsSorted(names) {
		t.Errorf("got %q, want %q", names, want)
	}
	if got["02-a-b.yml"] != "of all/a b.yml" || !strings.Contains(got["00-rbac.yaml"], "ingot:admins") {
		t.Errorf("got %q", got)
	}

	c.Def.Edge = cluster.Edges{FloatingAddress: "198.51.100.100", Hook: "none"}
	if _, err := nodecare.Layer(c); err == nil || !strings.Contains(err.Error(), "edge.hook") {
		t.Errorf("without the hook: %v", err)
	}
	c.Def.Edge = cluster.Edges{}

	for i := range 120 {
		write("many/" + strings.Repeat("y", i+1) + ".yaml")
	}
	names = nil
	for _, f := range of(c).Files {
		names = append(names, f.Path)
	}
	if len(names) != 125 || !slices.IsSorted(names) {
		t.Errorf("%d manifests, of which the last is %s", len(names), names[len(names)-1])
	}
	c.Def.Addons = []string{"none.yaml"}
	if _, err := nodecare.Layer(c); err == nil || !strings.Contains(err.Error(), "addons[0]") {
		t.Errorf("without the file: %v", err)
	}
}

// TestEdge: the hook is in the image as it is, what edges agree by is among the
// manifests, and only edges run it. Without a hook there is none of it.
func TestEdge(t *testing.T) {
	for _, name := range sample.Names() {
		c := sample.Cluster(t, name)
		has := map[string]bool{}
		for _, f := range of(c).Files {
			switch {
			case f.Path == edge.HookPath:
				want, err := os.ReadFile(filepath.Join(c.Dir, c.Def.Edge.Hook))
				if err != nil || string(f.Content) != string(want) || f.Mode != 0o755 {
					t.Errorf("%s: %v, mode %v: %s", name, err, f.Mode, f.Content)
				}
				has["hook"] = true
			case strings.HasSuffix(f.Path, "-edge.yaml"):
				for _, part := range []string{"name: " + edge.Name, "namespace: " + edge.Namespace, "resourceNames: [" + edge.Name + "]"} {
					if !strings.Contains(string(f.Content), part) {
						t.Errorf("%s: the manifest lacks %q", name, part)
					}
				}
				has["manifest"] = true
			}
		}
		for _, u := range of(c).Units {
			if u.Name == "ingot-edge.service" {
				has["unit"] = slices.Equal(u.WantedBy, []string{"ingot-edge.target"})
			}
		}
		if want := name == "everything"; has["hook"] != want || has["manifest"] != want || has["unit"] != want {
			t.Errorf("%s: got %v", name, has)
		}
	}
}
