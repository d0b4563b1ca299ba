package nodecare_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
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
