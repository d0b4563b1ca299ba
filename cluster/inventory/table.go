package inventory

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ingot-k8s/ingot/cluster"
)

// table writes aligned columns with a line of titles.
func table(b *bytes.Buffer, c *cluster.Cluster) error {
	rows := [][]string{{"NAME", "ROLES", "ZONE", "INDEX", "MESH", "PODS", "ADDRESS"}}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		rows = append(rows, []string{
			n.Name, roleList(n), n.Spec.Zone, strconv.Itoa(n.Index), joined(n.MeshIPs), joined(n.PodCIDRs), n.Spec.Address,
		})
	}
	return columns(b, "", rows)
}

// columns aligns rows; a cell without a value is a dash.
func columns(b *bytes.Buffer, indent string, rows [][]string) error {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = cell; cell == "" {
				cells[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		b.WriteString(indent + strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}

// roleList names the roles of a node; those of a spare are what it will be.
func roleList(n *cluster.Node) string {
	roles := make([]string, len(n.Spec.Roles))
	for i, r := range n.Spec.Roles {
		roles[i] = string(r)
	}
	list := strings.Join(roles, ",")
	if n.Spare {
		return "(spare) " + list
	}
	return list
}

func joined[T fmt.Stringer](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return strings.Join(words, ",")
}
