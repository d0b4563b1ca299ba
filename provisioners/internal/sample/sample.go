// Package sample is what the tests of layers share: clusters, the accepted form
// of a layer, and systemd's own judgement of its units. Only tests import it.
package sample

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// files are the definitions, as a package of provisioners/ sees them.
var files = map[string]string{
	"prod":       "../../clusters/prod/cluster.yaml",
	"lab":        "../../clusters/lab/cluster.yaml",
	"everything": "../../cluster/testdata/good/everything.yaml",
	"ipv6":       "../../cluster/testdata/good/ipv6.yaml",
}

// Names are the clusters that layers are held against: the two that come with
// the project, one with every option, and one without IPv4.
func Names() []string { return []string{"prod", "lab", "everything", "ipv6"} }

// Cluster loads one of them.
func Cluster(t testing.TB, name string) *cluster.Cluster {
	t.Helper()
	return load(t, files[name])
}

// Parse loads the cluster prod with more text in its definition.
func Parse(t testing.TB, more string) *cluster.Cluster {
	t.Helper()
	data, err := os.ReadFile(files["prod"])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(file, append(data, more...), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, file)
}

func load(t testing.TB, file string) *cluster.Cluster {
	t.Helper()
	c, report, err := cluster.Load(file)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Fatalf("loading %s: %v", file, err)
	}
	return c
}

// Golden holds a layer for each cluster against testdata/CLUSTER.txt.
func Golden(t *testing.T, of func(*cluster.Cluster) layer.Layer) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			c := Cluster(t, name)
			text := print(t, of(c))
			if again := print(t, of(c)); again != text {
				t.Error("made twice, the layer differs")
			}
			golden.Check(t, filepath.Join("testdata", name+".txt"), []byte(text))
		})
	}
}

// print writes all that a layer says.
func print(t testing.TB, l layer.Layer) string {
	t.Helper()
	var b strings.Builder
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "layer %s\npackages: %s\ncomponents: %s\n", l.Name, strings.Join(l.Packages, " "), strings.Join(l.Components, " "))
	for _, u := range l.Users {
		fmt.Fprintf(&b, "user %s (%d): %s\n", u.Name, u.ID, u.Comment)
	}
	for _, s := range l.Listeners {
		fmt.Fprintf(&b, "listener %s %s:%d/%s on %s: %s\n", s.Program, s.Address, s.Port, s.Proto, s.On, s.Purpose)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "\n=== %v %s:%s %s", e.Mode, e.User, e.Group, e.Path)
		if e.Mode&fs.ModeSymlink != 0 {
			b.WriteString(" -> " + e.Target)
		}
		b.WriteString("\n" + string(e.Content))
	}
	return b.String()
}

// File is the content of a file of the layer.
func File(t testing.TB, l layer.Layer, path string) []byte {
	t.Helper()
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Path == path {
			return e.Content
		}
	}
	t.Fatalf("layer %s has no %s", l.Name, path)
	return nil
}

// Shellcheck holds the layer's scripts against shellcheck.
func Shellcheck(t *testing.T, l layer.Layer) {
	t.Helper()
	tool := need.Tool(t, "shellcheck")
	found := false
	for _, f := range l.Files {
		if !bytes.HasPrefix(f.Content, []byte("#!")) {
			continue
		}
		found = true
		if f.Mode != 0o755 {
			t.Errorf("%s: mode %v, so it cannot run", f.Path, f.Mode)
		}
		path := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(path, f.Content, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := command(tool, "--shell=sh", "--severity=style", path); err != nil {
			t.Errorf("%s: %v\n%s", f.Path, err, out)
		}
	}
	if !found {
		t.Errorf("layer %s has no script", l.Name)
	}
}
