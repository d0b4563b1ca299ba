package nodecare

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/node/addons"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// suffixes are the names by which manifests are found in a folder, here and by
// kubectl.
var suffixes = []string{".yaml", ".yml", ".json"}

// manifests are the rights of the certificates, what the edges agree by, and then
// the definition's add-ons, with names by which they are in order.
func manifests(c *cluster.Cluster) ([]layer.File, error) {
	type manifest struct {
		name string
		data []byte
	}
	all := []manifest{{"rbac.yaml", pki.RBAC}}
	if c.Def.Edge.Hook != "" {
		all = append(all, manifest{"edge.yaml", edgeManifest})
	}
	if len(c.Def.Addons) > 0 {
		root, err := os.OpenRoot(c.Dir)
		if err != nil {
			return nil, err
		}
		defer func() { _ = root.Close() }() // read only
		var taken []string
		for i, s := range c.Def.Addons {
			paths, err := within(root.FS(), path.Clean(s))
			if err != nil {
				return nil, fmt.Errorf("addons[%d]: %w", i, err)
			}
			for _, p := range paths {
				if slices.Contains(taken, p) {
					continue // a folder had it before
				}
				data, err := fs.ReadFile(root.FS(), p)
				if err != nil {
					return nil, fmt.Errorf("addons[%d]: %w", i, err)
				}
				taken = append(taken, p)
				all = append(all, manifest{path.Base(p), data})
			}
		}
	}
	digits := len(fmt.Sprint(len(all) - 1))
	files := make([]layer.File, len(all))
	for i, m := range all {
		files[i] = layer.File{Path: fmt.Sprintf("%s/%0*d-%s", addons.Dir, max(2, digits), i, plain(m.name)), Content: m.data}
	}
	return files, nil
}

// within lists the manifest at a path, or those of the folder there.
func within(root fs.FS, at string) ([]string, error) {
	info, err := fs.Stat(root, at)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{at}, nil
	}
	entries, err := fs.ReadDir(root, at)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(suffixes, path.Ext(e.Name())) {
			out = append(out, path.Join(at, e.Name()))
		}
	}
	return out, nil
}

// plain is a name without what a path in an image, or a line in the journal,
// had better not have.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, name)
}
