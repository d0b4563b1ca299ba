package builder

import (
	"cmp"
	"strings"

	"github.com/ingot-k8s/ingot/builder/component"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/cluster"
)

// components lists the programs of the image with where they come from and
// what they take. The size of what comes from Debian is that of its packages'
// own programs as far as these are known by path.
func (b *bake) components(index *tree.Index, changed *Unlocked) []Component {
	var out []Component
	for _, c := range b.Cluster.Def.ImageComponents() {
		made := Component{Name: c.Name, Version: c.Version, Source: c.Source}
		if c.Source == cluster.SourceDebian {
			names := lock.PackagesOf(c.Name)
			made.Version = cmp.Or(changed.version(names...), b.Lock.Debian.Version(names...))
		} else if what, err := component.Describe(b.Cluster, c.Name); err == nil {
			for _, p := range what.Programs {
				if n, is := index.Find(p.Path); is {
					made.Size += n.Size
				}
			}
		}
		out = append(out, made)
	}
	return append(out, Component{Name: "kernel", Version: kernelVersion(index), Source: cluster.SourceDebian, Size: sizeBelow(index, modulesFolder)})
}

const modulesFolder = "/usr/lib/modules/"

// sizeBelow is the size of all files below a folder.
func sizeBelow(index *tree.Index, folder string) int64 {
	var size int64
	for _, n := range index.Nodes {
		if strings.HasPrefix(n.Path, folder) {
			size += n.Size
		}
	}
	return size
}

// kernelVersion is that of the kernel whose modules the image has.
func kernelVersion(index *tree.Index) string {
	for _, n := range index.Nodes {
		if rest, is := strings.CutPrefix(n.Path, modulesFolder); is && !strings.Contains(rest, "/") {
			return rest
		}
	}
	return ""
}
