// Package labels gives the cluster's Node objects the labels that their nodes
// may not give to themselves, those of roles, and puts right those of the
// definition, which a kubelet sets only when it registers its node.
package labels

import (
	"maps"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/node/kubeapi"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

// rolePrefix is that of the labels by which Kubernetes shows a node's roles.
const rolePrefix = "node-role.kubernetes.io/"

// Annotation lists the keys of the labels that Ingot has given a node, so that
// one that left the definition is taken away, and no other.
const Annotation = "ingot/labels"

// roles are the labels of a role. Kubernetes and many add-ons know a controller
// as control-plane (kubernetes.io, "Well-Known Labels").
var roles = map[string][]string{
	"controller": {rolePrefix + "control-plane", rolePrefix + "controller"},
	"worker":     {rolePrefix + "worker"},
	"edge":       {rolePrefix + "edge"},
}

// Wanted are the labels of a node by what the image knows: those of all nodes,
// the node's own, its zone, and its roles.
func Wanted(c *clusterjson.Cluster, n *clusterjson.Node) map[string]string {
	out := map[string]string{}
	maps.Copy(out, c.Labels)
	maps.Copy(out, n.Labels)
	if n.Zone != "" {
		out["topology.kubernetes.io/zone"] = n.Zone
	}
	for _, r := range n.Roles {
		for _, key := range roles[r] {
			out[key] = ""
		}
	}
	return out
}

// Change is what has to be done to one node: values to set, and nil for what is
// to go. It is nil where nothing differs.
func Change(object *kubeapi.Meta, wanted map[string]string) *kubeapi.Patch {
	p := &kubeapi.Patch{Labels: map[string]*string{}, Annotations: map[string]*string{}}
	for key, value := range wanted {
		if has, ok := object.Labels[key]; !ok || has != value {
			p.Labels[key] = &value
		}
	}
	for _, key := range ours(object) {
		if _, want := wanted[key]; want {
			continue
		}
		if _, has := object.Labels[key]; has {
			p.Labels[key] = nil
		}
	}
	given := strings.Join(slices.Sorted(maps.Keys(wanted)), ",")
	if object.Annotations[Annotation] != given {
		p.Annotations[Annotation] = &given
	}
	if len(p.Labels) == 0 && len(p.Annotations) == 0 {
		return nil
	}
	return p
}

// ours are the keys that may be taken away: those that were given before, and
// the roles that Ingot knows.
func ours(object *kubeapi.Meta) []string {
	var out []string
	if given := object.Annotations[Annotation]; given != "" {
		out = strings.Split(given, ",")
	}
	for _, keys := range roles {
		out = append(out, keys...)
	}
	return out
}

// Text says what a change does, in words that stay the same.
func Text(p *kubeapi.Patch) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		if value := p.Labels[key]; value == nil {
			parts = append(parts, "-"+key)
		} else {
			parts = append(parts, "+"+key+"="+*value)
		}
	}
	if len(parts) == 0 {
		return "notes which labels are Ingot's"
	}
	return strings.Join(parts, " ")
}
