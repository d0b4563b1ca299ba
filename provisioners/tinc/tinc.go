// Package tinc is the layer of the mesh: tincd, the public keys of all nodes and
// spares, and what announces the virtual address on controllers. A node's own
// settings and private key come with its identity.
package tinc

import (
	_ "embed" // unit and script
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

const (
	waitPath     = "/usr/lib/ingot/tinc/wait"
	settingsPath = "/usr/lib/ingot/tinc/settings"
	binary       = "/usr/sbin/tincd"
	scriptMode   = 0o755
)

//go:embed tinc.service
var unit string

//go:embed wait.sh
var wait string

//go:embed settings.sh
var settings string

//go:embed ingot-vip.service
var vipUnit string

// Unit is the mesh's unit. What is ordered after it finds the node's addresses
// in the mesh.
func Unit(c *cluster.Cluster) string { return "tinc@" + c.Def.Mesh.Interface + ".service" }

// Layer is the layer. The error names the node whose key pub lacks.
func Layer(c *cluster.Cluster, pub *pki.Public) (layer.Layer, error) {
	l := layer.Layer{
		Name:       "tinc",
		Components: []string{"tinc"},
		Packages:   []string{"iproute2"},
		Modules:    []string{"tun"},
		Files: []layer.File{
			{Path: waitPath, Mode: scriptMode, Content: []byte(wait)},
			{Path: settingsPath, Mode: scriptMode, Content: []byte(settings)},
		},
		Units: []layer.Unit{
			{Name: Unit(c), Content: strings.NewReplacer("@interface@", c.Def.Mesh.Interface, "@tincd@", binary).Replace(unit), WantedBy: identity.Targets()},
			{Name: "ingot-vip.service", Content: strings.ReplaceAll(vipUnit, "@mesh@", Unit(c)), WantedBy: []string{identity.Target(cluster.Controller)}},
			{Name: "tinc.service", Masked: true}, // of the package: starts what /etc/tinc/nets.boot lists
		},
	}
	for _, proto := range []string{"tcp", "udp"} {
		l.Listeners = append(l.Listeners, layer.Listener{
			Program: "tincd", Address: "all", Port: c.Def.Mesh.Port, Proto: proto, Purpose: "the mesh", On: "all nodes",
		})
	}
	for _, proto := range []string{"tcp", "udp"} {
		l.Listeners = append(l.Listeners, layer.Listener{
			Program: "tincd", Address: "loopback", Proto: proto, On: "controllers",
			Purpose: "nothing: the tincd that announces the virtual address opens it; the kernel chooses the port",
		})
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		key, ok := pub.MeshKeys[n.Name]
		if !ok {
			return layer.Layer{}, fmt.Errorf("layer tinc: the public mesh key of %q is missing", n.Name)
		}
		host, err := ignition.MeshHost(c, n, key)
		if err != nil {
			return layer.Layer{}, fmt.Errorf("layer tinc: %w", err)
		}
		l.Files = append(l.Files, layer.File{Path: host.Path, Mode: host.Mode, Content: host.Data})
	}
	return l, nil
}
