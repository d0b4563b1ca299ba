package nodecare

import (
	_ "embed" // the manifest and the unit
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/node/edge"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

var (
	//go:embed edge.yaml
	edgeManifest []byte
	//go:embed ingot-edge.service
	edgeUnit string
)

// addEdge adds the hook that moves the floating address, and the unit that runs
// it on edges.
func addEdge(l *layer.Layer, c *cluster.Cluster) error {
	if c.Def.Edge.Hook == "" {
		return nil
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // read only
	hook, err := fs.ReadFile(root.FS(), path.Clean(c.Def.Edge.Hook))
	if err != nil {
		return fmt.Errorf("edge.hook: %w", err)
	}
	l.Files = append(l.Files, layer.File{Path: edge.HookPath, Mode: 0o755, Content: hook})
	l.Units = append(l.Units, layer.Unit{
		Name:     "ingot-edge.service",
		Content:  strings.NewReplacer("@MESH@", tinc.Unit(c), "@BALANCER@", apiendpoint.Unit).Replace(edgeUnit),
		WantedBy: []string{identity.Target(cluster.Edge)},
	})
	return nil
}
