package cluster

import (
	"testing"
)

func TestShippedClusters(t *testing.T) {
	for _, name := range []string{"prod", "lab"} {
		c, report, err := Load("../clusters/" + name + "/cluster.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Problems) > 0 {
			t.Error(report.Problems)
		}
		for _, n := range c.Nodes {
			t.Log(n.Name, n.Index, n.MeshIPs, n.PodCIDRs)
		}
	}
}
