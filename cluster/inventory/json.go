package inventory

import (
	"bytes"
	"encoding/json"
	"net/netip"

	"github.com/ingot-k8s/ingot/cluster"
)

// List is the inventory as JSON. Keys are only ever added.
type List struct {
	Cluster string `json:"cluster"`
	Domain  string `json:"domain"`
	Nodes   []Node `json:"nodes"` // as the definition orders them, then the spares
}

// Node is one machine or spare slot of a [List].
type Node struct {
	Name          string            `json:"name"`
	FQDN          string            `json:"fqdn"`
	Roles         []cluster.Role    `json:"roles"`
	Zone          string            `json:"zone,omitempty"`
	Index         int               `json:"index"`             // 1-based, for the life of the cluster
	MeshAddresses []netip.Addr      `json:"meshAddresses"`     // the primary family first
	PodCIDRs      []netip.Prefix    `json:"podCIDRs"`          // in the order of the families of meshAddresses
	Address       string            `json:"address,omitempty"` // IP address or DNS name; none where others cannot dial it
	Dialable      bool              `json:"dialable"`
	Spare         bool              `json:"spare"`
	Labels        map[string]string `json:"labels,omitempty"`
	Taints        []string          `json:"taints,omitempty"`
}

// NewList takes the inventory from a cluster.
func NewList(c *cluster.Cluster) List {
	list := List{Cluster: c.Def.Name, Domain: c.Def.Domain, Nodes: []Node{}}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		list.Nodes = append(list.Nodes, Node{
			Name: n.Name, FQDN: c.FQDN(n), Roles: n.Spec.Roles, Zone: n.Spec.Zone, Index: n.Index,
			MeshAddresses: n.MeshIPs, PodCIDRs: n.PodCIDRs, Address: n.Spec.Address, Dialable: n.Dialable(), Spare: n.Spare,
			Labels: n.Spec.Labels, Taints: n.Spec.Taints,
		})
	}
	return list
}

func nodesJSON(b *bytes.Buffer, c *cluster.Cluster) error { return writeJSON(b, NewList(c)) }

func writeJSON(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
