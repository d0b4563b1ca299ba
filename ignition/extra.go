package ignition

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// maxSource bounds a file that the definition names as a source. Much less
// fits into an identity; the limit only keeps a device or a disk image out.
const maxSource = 1 << 20

// extraFiles are the definition's own files: those of all nodes, unless the
// image carries them, and those of the node.
func extraFiles(c *cluster.Cluster, n *cluster.Node) ([]File, error) {
	specs := n.Spec.Files
	if *c.Def.Identity.Common {
		specs = slices.Concat(c.Def.Files, specs)
	}
	var files []File
	for _, spec := range specs {
		f, err := extraFile(c.Dir, spec)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func extraFile(dir string, spec cluster.File) (File, error) {
	f := File{Path: spec.Path, Mode: modePublic, Owner: rootOwner, Data: []byte(spec.Content)}
	if spec.Mode != "" {
		mode, err := strconv.ParseUint(spec.Mode, 8, 9)
		if err != nil {
			return File{}, fmt.Errorf("file %q: mode %q is not octal (000 to 0777)", spec.Path, spec.Mode)
		}
		f.Mode = fs.FileMode(mode)
	}
	if spec.Owner != "" {
		user, group, ok := strings.Cut(spec.Owner, ":")
		if !ok {
			group = user
		}
		if !bundle.IsAccount(user) || !bundle.IsAccount(group) {
			return File{}, fmt.Errorf("file %q: owner %q is not a user or user:group", spec.Path, spec.Owner)
		}
		f.Owner = user + ":" + group
	}
	if spec.Source != "" {
		path := spec.Source
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		data, err := atomicfile.ReadFile(path, maxSource)
		if err != nil {
			return File{}, fmt.Errorf("file %q: %w", spec.Path, err)
		}
		f.Data = data
	}
	return f, nil
}

// extraUnits are the definition's own units, by the same rule.
func extraUnits(c *cluster.Cluster, n *cluster.Node) []Unit {
	specs := n.Spec.Units
	if *c.Def.Identity.Common {
		specs = slices.Concat(c.Def.Units, specs)
	}
	var units []Unit
	for _, spec := range specs {
		units = append(units, Unit{Name: spec.Name, Enabled: spec.Enabled, Content: spec.Content})
	}
	return units
}
