package lab_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/segment"
)

const node = "apiVersion: ingot/v1\nkind: Cluster\nname: one\ndomain: one.example.com\n"

// TestPlan compares plans of the definitions that ship with the project, and
// of others, with those that were accepted.
func TestPlan(t *testing.T) {
	for name, c := range map[string]*cluster.Cluster{
		"lab":        shipped(t, "lab"),
		"prod":       shipped(t, "prod"),
		"no-address": definition(t, node+"nodes:\n  - {name: a, roles: [controller, worker]}\n"),
		"names":      definition(t, node+"nodes:\n  - {name: a, roles: [controller], address: a.example.com}\n  - {name: b, roles: [worker], address: 198.51.100.7}\n"),
		"far-apart":  definition(t, node+"nodes:\n  - {name: a, roles: [controller], address: 198.51.100.1}\n  - {name: b, roles: [worker], address: 198.51.103.9}\n"),
		"static": definition(t, node+`nodes:
  - name: a
    roles: [controller]
    address: 192.0.2.10
    network:
      interfaces:
        - {mac: "02:00:00:00:00:01", addresses: [192.0.2.10/24], gateways: [192.0.2.254]}
        - {name: ens4, dhcp: true}
  - name: b
    roles: [worker]
    address: 203.0.113.9
    network: {interfaces: [{mac: "02:00:00:00:00:02", addresses: [192.0.2.11/24, "2001:db8::11/64"], gateways: [192.0.2.254, "2001:db8::1"]}]}
  - {name: c, roles: [worker], address: "2001:db8::12"}
`),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := lab.NewPlan(c, "stranger")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, filepath.Join("testdata", "plan", name+".txt"), []byte(planText(c, p)))
		})
	}
}

func planText(c *cluster.Cluster, p *lab.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "network %s, gateways %v\n", p.Network, p.Gateways)
	for _, m := range p.Machines {
		fmt.Fprintf(&b, "%s %s\n", m.Name, m.Address)
		for i, n := range m.NICs {
			for _, port := range []string{m.Name, fmt.Sprintf("%s-%d", m.Name, i)} {
				n.MAC = strings.ReplaceAll(n.MAC, segment.MAC(c.Def.Name, port), "MAC of "+port)
			}
			fmt.Fprintf(&b, "  %s, lease %s\n", n.MAC, n.Lease)
		}
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

func shipped(t *testing.T, name string) *cluster.Cluster {
	t.Helper()
	c, _, err := cluster.Load(filepath.Join("..", "clusters", name, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlanRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		nodes, others, want string
	}{
		"one network": {
			"mesh: {cidr: 10.1.0.0/16}\nnodes:\n  - {name: a, roles: [controller], address: 10.0.0.1}\n  - {name: b, roles: [worker], address: 10.2.0.1}\n", "x",
			"the nodes' addresses are in 10.0.0.0/14, which overlaps 10.1.0.0/16 of the cluster",
		},
		"a node's name": {"nodes:\n  - {name: a, roles: [controller], address: 192.0.2.1}\n", "a", `machine "a" is a node of the cluster`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := lab.NewPlan(definition(t, node+c.nodes), c.others); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestPlanSpares: a definition may have more spares than a small network has
// addresses.
func TestPlanSpares(t *testing.T) {
	p, err := lab.NewPlan(definition(t, node+"spares: 200\nnodes:\n  - {name: a, roles: [controller], address: 192.0.2.1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Network.Bits() >= 24 || len(p.Leases()) != 201 {
		t.Errorf("network %s, %d leases", p.Network, len(p.Leases()))
	}
	seen := map[string]string{}
	for _, m := range p.Machines {
		for _, key := range []string{m.Address.String(), m.NICs[0].MAC} {
			if other := seen[key]; other != "" {
				t.Errorf("%s is that of %s and of %s", key, other, m.Name)
			}
			seen[key] = m.Name
		}
	}
}
