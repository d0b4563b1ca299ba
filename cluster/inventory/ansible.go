package inventory

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"go.yaml.in/yaml/v3"
)

// group is a group of a YAML inventory (Ansible, "ansible.builtin.yaml").
type group struct {
	Vars     map[string]any            `yaml:"vars,omitempty"`
	Hosts    map[string]map[string]any `yaml:"hosts,omitempty"`
	Children map[string]*group         `yaml:"children,omitempty"`
}

// ansible writes an inventory with the groups controllers, workers, edges and
// spares, and one group zone_<zone> for each zone. Nodes without an address
// are reached at their mesh address through the bastion.
func ansible(b *bytes.Buffer, c *cluster.Cluster) error {
	all := &group{
		Vars: map[string]any{
			"ansible_user":             c.Def.Access.User,
			"ingot_cluster":            c.Def.Name,
			"ingot_domain":             c.Def.Domain,
			"ingot_kubernetes_version": c.Def.Kubernetes.Version,
			"ingot_api_vip":            c.VIP.String(),
			"ingot_api_url":            c.ExternalAPIURL(),
		},
		Hosts:    map[string]map[string]any{},
		Children: map[string]*group{},
	}
	// All four are there even if empty, so that a playbook may name them.
	for _, name := range []string{"controllers", "workers", "edges", "spares"} {
		all.Children[name] = &group{}
	}
	zones := zoneGroups(c)
	bastion := Bastion(c)
	for i := range c.Nodes {
		n := &c.Nodes[i]
		all.Hosts[n.Name] = hostVars(c, n, bastion)
		for _, name := range groupsOf(n, zones) {
			g := all.Children[name]
			if g == nil {
				g = &group{}
				all.Children[name] = g
			}
			if g.Hosts == nil {
				g.Hosts = map[string]map[string]any{}
			}
			g.Hosts[n.Name] = nil
		}
	}
	fmt.Fprintf(b, "# Ansible inventory of the cluster %s. Written by ingot inventory %s -o ansible.\n", c.Def.Name, c.Def.Name)
	enc := yaml.NewEncoder(b)
	enc.SetIndent(2)
	if err := enc.Encode(map[string]*group{"all": all}); err != nil {
		return err
	}
	return enc.Close()
}

func groupsOf(n *cluster.Node, zones map[string]string) []string {
	var names []string
	if n.Spare {
		return []string{"spares"}
	}
	for _, r := range []cluster.Role{cluster.Controller, cluster.Worker, cluster.Edge} {
		if n.Has(r) {
			names = append(names, string(r)+"s")
		}
	}
	if n.Spec.Zone != "" {
		names = append(names, zones[n.Spec.Zone])
	}
	return names
}

func hostVars(c *cluster.Cluster, n *cluster.Node, bastion *cluster.Node) map[string]any {
	vars := map[string]any{
		"ansible_host":         n.MeshIP().String(),
		"ingot_index":          n.Index,
		"ingot_fqdn":           c.FQDN(n),
		"ingot_mesh_address":   n.MeshIP().String(),
		"ingot_mesh_addresses": words(n.MeshIPs),
		"ingot_pod_cidr":       n.PodCIDRs[0].String(),
		"ingot_pod_cidrs":      words(n.PodCIDRs),
		"ingot_roles":          n.Spec.Roles,
	}
	if n.Spec.Zone != "" {
		vars["ingot_zone"] = n.Spec.Zone
	}
	switch {
	case n.Dialable():
		vars["ansible_host"] = n.Spec.Address
	case bastion != nil:
		vars["ansible_ssh_common_args"] = "-o ProxyJump=" + c.Def.Access.User + "@" + jumpHost(bastion.Spec.Address)
	}
	return vars
}

// jumpHost puts IPv6 addresses into brackets, which ssh's -J wants where a
// port could follow.
func jumpHost(address string) string {
	if a, err := netip.ParseAddr(address); err == nil && a.Is6() {
		return "[" + address + "]"
	}
	return address
}

// zoneGroups gives each zone the name of its group. Ansible wants letters,
// digits and underscores; zones that come out alike are numbered.
func zoneGroups(c *cluster.Cluster) map[string]string {
	var zones []string
	for i := range c.Nodes {
		if z := c.Nodes[i].Spec.Zone; z != "" && !slices.Contains(zones, z) {
			zones = append(zones, z)
		}
	}
	slices.Sort(zones)
	out := make(map[string]string, len(zones))
	used := map[string]bool{}
	for _, z := range zones {
		base := "zone_" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, z)
		name := base
		for k := 2; used[name]; k++ {
			name = fmt.Sprintf("%s_%d", base, k)
		}
		out[z], used[name] = name, true
	}
	return out
}

func words[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}
