// Package containerd is the layer that runs containers, and brings the images
// that a machine has without a registry.
package containerd

import (
	_ "embed" // the units, the settings and the script
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// Pause is the image of the container that holds a pod's namespaces. It is
// Ingot's own and comes with every image, under a name of no registry.
const Pause = "ingot.local/pause:1"

// Archives is the folder of an image where its container images are: OCI
// archives, NAME.tar, whose index.json says in the annotation
// io.containerd.image.name which of [Images] they are.
const Archives = "/usr/share/ingot/images"

// Socket is where containerd serves the CRI.
const Socket = "/run/containerd/containerd.sock"

const dir = "/usr/lib/ingot/containerd/"

var (
	//go:embed containerd.service
	service string
	//go:embed ingot-images.service
	imagesService string
	//go:embed import-images.sh
	importImages string
	//go:embed config2.toml
	config2 string
	//go:embed config3.toml
	config3 string
)

// Layer runs containerd and imports the images of [Archives] into it.
func Layer(c *cluster.Cluster) layer.Layer {
	return layer.Layer{
		Name: "containerd",
		Files: []layer.File{
			{Path: dir + "config.toml", Content: []byte(config(c))},
			{Path: dir + "images.list", Content: []byte(strings.Join(Images(c), "\n") + "\n")},
			{Path: dir + "import-images", Mode: 0o755, Content: []byte(importImages)},
		},
		// What people's tools look for, in place of the one that Debian's package has.
		Links: []layer.Link{{Path: "/etc/containerd/config.toml", Target: dir + "config.toml"}},
		Units: []layer.Unit{
			{Name: "containerd.service", Content: service, WantedBy: identity.Targets()},
			{Name: "ingot-images.service", Content: imagesService, WantedBy: identity.Targets()},
		},
		Modules:    []string{"overlay"},
		Components: []string{"containerd", "runc", "cni"},
		Listeners: []layer.Listener{{
			Program: "containerd", Address: "loopback", Port: 0, Proto: "tcp", On: "all nodes",
			Purpose: "streams of kubectl exec, attach and port-forward, from the kubelet; the kernel chooses the port",
		}},
	}
}

// config is containerd's settings in the version of their format that it has:
// 2 up to containerd 1.7, which is in Debian, and 3 since 2.0. Images and
// containers are on the state partition, in /var/lib/containerd.
func config(c *cluster.Cluster) string {
	text := config2
	if c.Def.Components.Containerd.Source == cluster.SourceGo { // of which v2.x is supported
		text = config3
	}
	return strings.NewReplacer("@PAUSE@", Pause).Replace(text)
}

// Images lists the container images that a cluster's machines have without a
// registry, by the names that containerd finds them by, sorted. A reference
// with a tag and a digest is known by its digest, as the CRI takes it.
func Images(c *cluster.Cluster) []string {
	names := []string{Pause}
	for _, ref := range c.Def.Image.Preload {
		name, digest, _ := strings.Cut(ref, "@") // validated to have one
		if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
			name = name[:colon]
		}
		names = append(names, inFull(name)+"@"+digest)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// inFull is the name of an image as containerd has it: one registry has another
// name for itself, and names without a folder (distribution/reference,
// "ParseNormalizedNamed").
func inFull(name string) string {
	if rest, ok := strings.CutPrefix(name, "index.docker.io/"); ok {
		name = "docker.io/" + rest
	}
	if rest, ok := strings.CutPrefix(name, "docker.io/"); ok && !strings.Contains(rest, "/") {
		name = "docker.io/library/" + rest
	}
	return name
}
