package lock

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// A lock has the container images of the definition, and fits no definition
// with others.
func TestPreloaded(t *testing.T) {
	load := func(images ...string) *cluster.Cluster {
		t.Helper()
		text := "apiVersion: ingot/v1\nkind: Cluster\nname: x\ndomain: x.example.com\nnodes: [{name: a, roles: [controller], address: 192.0.2.1}]\n" +
			"image: {preload: [" + strings.Join(images, ", ") + "]}\n"
		c, err := cluster.Parse(filepath.Join(t.TempDir(), "cluster.yaml"), []byte(text), nil, &diag.Report{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	digest := "@sha256:" + strings.Repeat("a", 64)
	b, a := "reg.example.com:5000/b"+digest, "docker.io/a:1.37"+digest
	got := preloaded(load(b, a))
	want := []Image{{Reference: "docker.io/a:1.37", Digest: digest[1:]}, {Reference: "reg.example.com:5000/b", Digest: digest[1:]}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
	c := load(a, b)
	l := &Lock{Debian: Debian{Release: c.Def.Image.Debian, Requested: requested(c)}, Images: got}
	for _, name := range BootPackages() {
		l.Debian.Boot = append(l.Debian.Boot, Package{Name: name})
	}
	for _, named := range c.Def.ImageComponents() {
		if named.Source == cluster.SourceGo {
			l.Modules = append(l.Modules, Module{Component: named.Name, Path: MainModule(named.Name), Version: named.Version})
		}
	}
	if !l.Fits(c) {
		t.Error("the lock does not fit the definition that it was made for")
	}
	if l.Fits(load(a)) || l.Fits(load()) {
		t.Error("the lock fits a definition with fewer images")
	}
}
