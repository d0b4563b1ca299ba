// Package nodecare is the layer of what ingot-node does while a node runs: it
// says how the node is.
package nodecare

import (
	_ "embed" // units

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

//go:embed ingot-health.service
var healthUnit string

// Layer is the layer.
func Layer(*cluster.Cluster) layer.Layer {
	return layer.Layer{
		Name:       "nodecare",
		Components: []string{"ingot-node"},
		Units: []layer.Unit{
			{Name: "ingot-health.service", Content: healthUnit, WantedBy: identity.Targets()},
		},
	}
}
