// Package inventory writes the nodes of a cluster for others to read: people,
// scripts, Ansible, /etc/hosts and DNS zones. It only renders what package
// cluster has derived.
package inventory

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// formats are the forms of [Render], in the order in which they are named.
var formats = []struct {
	name   string
	render func(*bytes.Buffer, *cluster.Cluster) error
}{
	{"table", table},
	{"json", nodesJSON},
	{"ansible", ansible},
	{"hosts", hosts},
	{"dns", zone},
}

// Formats lists the formats of [Render].
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// Render writes the nodes and spares of a cluster in one of [Formats]. The
// output depends on the cluster alone. Nothing is written if it cannot be
// made; other errors are those of w.
func Render(w io.Writer, c *cluster.Cluster, format string) error {
	for _, f := range formats {
		if f.name != format {
			continue
		}
		var b bytes.Buffer
		if err := f.render(&b, c); err != nil {
			return fmt.Errorf("rendering inventory as %s: %w", format, err)
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return fmt.Errorf("writing inventory: %w", err)
		}
		return nil
	}
	return fmt.Errorf("rendering inventory: unknown format %q (%s)", format, strings.Join(Formats(), ", "))
}

// Bastion is the node through which nodes without an address are reached: the
// first edge with an address, else the first node with one. It is nil where
// there is none.
func Bastion(c *cluster.Cluster) *cluster.Node {
	all := c.DialableNodes()
	if i := slices.IndexFunc(all, func(n *cluster.Node) bool { return n.Has(cluster.Edge) }); i >= 0 {
		return all[i]
	}
	if len(all) > 0 {
		return all[0]
	}
	return nil
}

// shortNames are the words for the API in /etc/hosts and the zone of a cluster.
const (
	apiName  = "api"
	edgeName = "edge"
)

// apiNames lists the DNS names of the API: api.<domain>, then api.names.
func apiNames(c *cluster.Cluster) []string {
	names := []string{apiName + "." + c.Def.Domain}
	for _, name := range c.Def.API.Names {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
