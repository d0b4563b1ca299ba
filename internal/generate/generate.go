// Package generate goes from a definition and its key store to the files that
// people give to machines: the folder of every node and the admin's
// kubeconfig. The command line and the Packer plugin both call it.
package generate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/pki"
	"golang.org/x/sync/errgroup"
)

// Config says what to make.
type Config struct {
	Cluster *cluster.Cluster
	Store   *pki.Store // with everything issued that the nodes need
	Nodes   []string   // names; none means all nodes and spares
	Dir     string     // output folder of the cluster; made if need be
	Done    func(Node) // called after each node, by several goroutines at once; may be nil
}

// Node says what was made for a node.
type Node struct {
	Name    string `json:"name"`
	Dir     string `json:"dir"`
	Changed bool   `json:"changed"`
	Size    int    `json:"identityBytes"` // of the form that holds all of it
}

// Result says what was made, in the order of the definition.
type Result struct {
	Nodes      []Node `json:"nodes"`
	Kubeconfig string `json:"kubeconfig,omitempty"` // path, where one was asked for
}

// Identities writes Dir/nodes/NAME for each node. Nodes are made in parallel,
// each by itself, so that memory does not grow with their number and an error
// of one leaves the folders of the others whole.
func Identities(ctx context.Context, cfg Config) (*Result, error) {
	nodesDir := filepath.Join(cfg.Dir, "nodes")
	if err := os.MkdirAll(nodesDir, 0o755); err != nil { // those in it are 0700
		return nil, fmt.Errorf("making output folder: %w", err)
	}
	wanted := cfg.nodes()
	keys, err := peerKeys(cfg, wanted)
	if err != nil {
		return nil, err
	}
	renderer := new(ignition.Renderer)
	result := &Result{Nodes: make([]Node, len(wanted))}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, n := range wanted {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			made, err := identity(cfg, renderer, n, keys, filepath.Join(nodesDir, n.Name))
			if err != nil {
				return fmt.Errorf("making identities: %w", err)
			}
			result.Nodes[i] = made
			if cfg.Done != nil {
				cfg.Done(made)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return result, nil
}

func identity(cfg Config, renderer *ignition.Renderer, n *cluster.Node, keys ignition.MeshPeers, dir string) (Node, error) {
	material, err := cfg.Store.Material(n.Name)
	if err != nil {
		return Node{}, err
	}
	id, err := ignition.New(cfg.Cluster, n, material, keys)
	if err != nil {
		return Node{}, err
	}
	files, err := renderer.Outputs(id)
	if err != nil {
		return Node{}, err
	}
	made := Node{Name: n.Name, Dir: dir, Size: ignition.Size(files)}
	made.Changed, err = ignition.WriteNode(dir, files)
	return made, err
}

// nodes are those that the configuration asks for, in the order of the definition.
func (cfg *Config) nodes() []*cluster.Node {
	var wanted []*cluster.Node
	for i := range cfg.Cluster.Nodes {
		if n := &cfg.Cluster.Nodes[i]; len(cfg.Nodes) == 0 || slices.Contains(cfg.Nodes, n.Name) {
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// Leftovers lists the folders below dir that hold the identities of nodes which
// are not in the definition any more, and with them private keys.
func Leftovers(c *cluster.Cluster, dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "nodes"))
	if err != nil {
		return nil, fmt.Errorf("looking for folders of removed nodes: %w", err)
	}
	var left []string
	for _, e := range entries {
		if _, defined := c.Node(e.Name()); !defined && e.IsDir() {
			left = append(left, filepath.Join(dir, "nodes", e.Name()))
		}
	}
	return left, nil
}

// MissingPeers lists the nodes whose public mesh keys the identities of the
// named nodes carry, and for which nothing has been issued yet.
func MissingPeers(c *cluster.Cluster, store *pki.Store, nodes []string) ([]string, error) {
	cfg := Config{Cluster: c, Nodes: nodes}
	var missing []string
	for _, name := range cfg.peers(cfg.nodes()) {
		_, err := store.MeshPublicKey(name)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// peers are the nodes whose public mesh keys the identities of others carry:
// none where the cluster's image has them.
func (cfg *Config) peers(wanted []*cluster.Node) []string {
	if !*cfg.Cluster.Def.Identity.Common {
		return nil
	}
	seen := map[string]bool{}
	for _, n := range wanted {
		for _, name := range ignition.MeshPeerNames(cfg.Cluster, n) {
			seen[name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func peerKeys(cfg Config, wanted []*cluster.Node) (ignition.MeshPeers, error) {
	keys := ignition.MeshPeers{}
	for _, name := range cfg.peers(wanted) {
		key, err := cfg.Store.MeshPublicKey(name)
		if err != nil {
			return nil, err
		}
		keys[name] = key
	}
	return keys, nil
}
