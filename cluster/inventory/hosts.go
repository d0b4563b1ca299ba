package inventory

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// hosts writes lines for /etc/hosts of machines in the mesh: the API at its
// virtual address, then every node and spare at its mesh addresses.
func hosts(b *bytes.Buffer, c *cluster.Cluster) error {
	fmt.Fprintf(b, "# Cluster %s: addresses in the mesh. Written by ingot inventory %s -o hosts.\n", c.Def.Name, c.Def.Name)
	rows := [][]string{{c.VIP.String(), strings.Join(append(apiNames(c), apiName), " ")}}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		for _, a := range n.MeshIPs {
			rows = append(rows, []string{a.String(), c.FQDN(n) + " " + n.Name})
		}
	}
	return columns(b, "", rows)
}
