// Package nodecare is the layer of what ingot-node does while a node runs: it
// says how the node is; on controllers it also keeps the labels of nodes right,
// and applies the cluster's manifests; on edges it moves the floating address, if
// the definition has one.
package nodecare

import (
	_ "embed" // units
	"fmt"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

var (
	//go:embed ingot-health.service
	healthUnit string
	//go:embed ingot-labels.service
	labelsUnit string
	//go:embed ingot-addons.service
	addonsUnit string
)

// Layer is the layer. The error names the add-on, or the hook, that cannot be
// read.
func Layer(c *cluster.Cluster) (layer.Layer, error) {
	files, err := manifests(c)
	if err != nil {
		return layer.Layer{}, fmt.Errorf("layer nodecare: %w", err)
	}
	controllers := []string{identity.Target(cluster.Controller)}
	l := layer.Layer{
		Name:       "nodecare",
		Components: []string{"ingot-node", "kubernetes"},
		Files:      files,
		Units: []layer.Unit{
			{Name: "ingot-health.service", Content: healthUnit, WantedBy: identity.Targets()},
			{Name: "ingot-labels.service", Content: labelsUnit, WantedBy: controllers},
			{Name: "ingot-addons.service", Content: addonsUnit, WantedBy: controllers},
		},
	}
	if err := addEdge(&l, c); err != nil {
		return layer.Layer{}, fmt.Errorf("layer nodecare: %w", err)
	}
	return l, nil
}
