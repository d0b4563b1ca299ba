package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// bigDefinition has n nodes with labels and static networks.
func bigDefinition(n int) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: ingot/v1\nkind: Cluster\nname: big\ndomain: big.example.com\n" +
		"mesh: {cidr: 10.32.0.0/16}\nkubernetes: {podCIDR: 10.128.0.0/9, serviceCIDR: 10.64.0.0/16}\nnodes:\n")
	for i := range n {
		role := "worker"
		if i < 3 {
			role = "controller, worker"
		}
		fmt.Fprintf(&b, "  - {name: node%d, roles: [%s], zone: z%d, address: 172.%d.%d.%d, labels: {disk: ssd}, network: {interfaces: [{mac: \"52:54:00:%02x:%02x:%02x\", addresses: [172.%d.%d.%d/16], gateways: [172.%d.255.254]}]}}\n",
			i, role, i%3, 16+i>>14, i>>6&255, 1+i&63, i>>16&255, i>>8&255, i&255, 16+i>>14, i>>6&255, 1+i&63, 16+i>>14)
	}
	return []byte(b.String())
}

// TestLargeDefinition holds the time for the largest definition that
// Kubernetes allows far below what anything quadratic would take.
func TestLargeDefinition(t *testing.T) {
	data := bigDefinition(5000)
	start := time.Now()
	var r diag.Report
	c, err := cluster.Parse("big.yaml", data, nil, &r)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Nodes) != 5000 || len(r.Problems) != 0 {
		t.Errorf("%d nodes, problems %v", len(c.Nodes), r.Problems)
	}
	if took > time.Minute { // half a second on an idle machine; what grows with the square takes longer on any
		t.Errorf("loading %d bytes took %s", len(data), took)
	}
	t.Logf("%d bytes in %s", len(data), took)
}

func BenchmarkParse5000(b *testing.B) {
	data := bigDefinition(5000)
	b.ReportAllocs()
	for b.Loop() {
		var r diag.Report
		if _, err := cluster.Parse("big.yaml", data, nil, &r); err != nil {
			b.Fatal(err)
		}
	}
}
