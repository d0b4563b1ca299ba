package ignition_test

import (
	"testing"

	"github.com/ingot-k8s/ingot/ignition"
)

func TestSizes(t *testing.T) {
	for _, name := range []string{"prod", "lab"} {
		w := shipped(t, name)
		for i := range w.cluster.Nodes {
			id := w.identity(t, w.cluster.Nodes[i].Name)
			for _, p := range []string{"ignition", "cloud-init"} {
				id.Provisioning = p
				outs, err := ignition.Outputs(id)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range outs {
					t.Log(name, id.Node, p, o.Name, len(o.Data))
				}
			}
		}
	}
}

func BenchmarkOutputs(b *testing.B) {
	w := shipped(b, "prod")
	id := w.identity(b, "master0")
	for b.Loop() {
		if _, err := ignition.Outputs(id); err != nil {
			b.Fatal(err)
		}
	}
}
