package builder_test

import (
	"testing"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// TestDefinitionSum: where an image is published, and how machines start from
// the boot ISO, changes nothing in it; what targets it has does.
func TestDefinitionSum(t *testing.T) {
	node := ""
	sum := func(text string) string {
		t.Helper()
		var r diag.Report
		c, err := cluster.Parse(t.TempDir()+"/cluster.yaml", []byte("apiVersion: ingot/v1\nkind: Cluster\nname: a\ndomain: a.example.com\n"+
			"nodes: [{name: m, roles: [controller], address: 192.0.2.1"+node+"}]\n"+text), nil, &r)
		if err != nil {
			t.Fatal(err, r.Problems)
		}
		s, err := builder.DefinitionSum(c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain := sum("image: {targets: [digitalocean]}\n")
	if sum("image: {targets: [digitalocean]}\npublish: {digitalocean: {regions: [fra1], size: s-2vcpu-4gb}}\n") != plain {
		t.Error("the section publish changes the image")
	}
	if sum("image: {targets: [digitalocean, qemu]}\n") == plain {
		t.Error("the targets do not change it")
	}
	if sum("image: {targets: [digitalocean]}\nboot: {install: {disk: smallest}, rescue: true}\n") != plain {
		t.Error("the section boot changes the image")
	}
	for _, node = range []string{", install: {disk: first, overwrite: S1}", ", run: {disk: first}"} {
		if sum("image: {targets: [digitalocean]}\n") != plain {
			t.Errorf("a node with%s changes the image", node)
		}
	}
}
