package delivery

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
)

// Image is a baked image to publish.
type Image struct {
	builder.Output
	ID   string // of the image
	Path string // of the file
}

// Find finds the newest image in a folder for a target of its definition, such
// as esxi, and holds it against the definition: machines of one cluster are of
// one definition. Files that were made of the image after the bake are given.
func Find(c *cluster.Cluster, dir, target string, format builder.Format, made ...builder.Output) (*Image, error) {
	hint := "make images CLUSTER=" + c.Def.Name + ", or: ingot images " + c.Def.Name
	m, err := builder.ReadManifest(filepath.Join(dir, builder.ManifestFile))
	if err != nil {
		return nil, advise(err, "%s", hint)
	}
	now, err := builder.DefinitionSum(c)
	if err != nil {
		return nil, err
	}
	m.Files = append(m.Files, made...)
	out, ok := m.File(format)
	switch {
	case m.Cluster != c.Def.Name:
		return nil, fmt.Errorf("the image in %s is of the cluster %q", dir, m.Cluster)
	case !slices.Contains(m.Targets, target):
		return nil, advise(fmt.Errorf("the image %s was not made for %s", m.ID, target), "add %s to image.targets in %s, and then: ingot images %s", target, c.File, c.Def.Name)
	case !ok:
		return nil, advise(fmt.Errorf("there is no %s of the image %s", format, m.ID), "%s", hint)
	case m.Inputs.Definition != now:
		return nil, advise(fmt.Errorf("the image %s was baked from another definition than %s is now", m.ID, c.File), "%s", hint)
	}
	path := filepath.Join(dir, out.Name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, advise(err, "%s", hint)
	}
	if info.Size() != out.Size {
		return nil, advise(fmt.Errorf("%s has %d bytes, the manifest says %d", path, info.Size(), out.Size), "remove it, and then: ingot images %s", c.Def.Name)
	}
	return &Image{Output: out, ID: m.ID, Path: path}, nil
}
