// Package etcd is the layer that runs etcd on the controllers. What differs
// from machine to machine comes with the node's identity, in
// /etc/etcd/etcd.env and /etc/etcd/pki.
package etcd

import (
	_ "embed" // the unit
	"net/netip"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/internal/kube"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

// userID is that of the user etcd, who owns the data on the state partition.
const userID = 820

//go:embed etcd.service
var unit string

//go:embed ingot-etcd.service
var keeperUnit string

// KeeperUnit decides how etcd starts, and looks after it.
const KeeperUnit = "ingot-etcd.service"

// Layer runs etcd. Its data is in /var/lib/etcd, which systemd makes.
//
// What is known only on the machine, such as that a member joins a cluster
// that exists, is found out by "ingot-node etcd". It writes
// /run/ingot/etcd.env, whose variables replace those of the identity, and then
// has etcd started. Before that it listens at the peers' port itself.
func Layer(c *cluster.Cluster) layer.Layer {
	e := &c.Def.Etcd
	listener := func(address string, port int, purpose string) layer.Listener {
		return layer.Listener{Program: "etcd", Address: address, Port: port, Proto: "tcp", Purpose: purpose, On: "controllers"}
	}
	fill := strings.NewReplacer(
		"@MESH@", tinc.Unit(c),
		"@SUITES@", strings.Join(kube.CipherSuites(), ","),
		"@CORRUPT@", corruptCheck(c),
		"@FRIENDS@", friends(c),
		"@CAPABILITIES@", kube.PortCapability(e.ClientPort, e.PeerPort, e.MetricsPort),
		"@PORTS@", kube.PortCapability(e.PeerPort),
	)
	return layer.Layer{
		Name: "etcd",
		Units: []layer.Unit{
			{Name: "etcd.service", Content: fill.Replace(unit), WantedBy: []string{identity.Target(cluster.Controller)}},
			{Name: KeeperUnit, Content: fill.Replace(keeperUnit), WantedBy: []string{identity.Target(cluster.Controller)}},
		},
		Users:      []layer.User{{Name: "etcd", ID: userID, Comment: "etcd"}},
		Components: []string{"etcd", "ingot-node"},
		Listeners: []layer.Listener{
			listener("mesh", e.ClientPort, "clients, with a certificate of the authority etcd"),
			listener("loopback", e.ClientPort, "clients, with a certificate of the authority etcd"),
			listener("mesh", e.PeerPort, "peers, with a certificate of the authority etcd"),
			listener("mesh", e.MetricsPort, "metrics and health, plain"),
		},
	}
}

// friends are those that etcd speaks with at all: the mesh, and pods that
// collect metrics.
func friends(c *cluster.Cluster) string {
	var out []string
	for _, p := range slices.Concat([][]netip.Prefix{c.MeshCIDRs, c.PodCIDRs}...) {
		out = append(out, p.Masked().String())
	}
	return strings.Join(out, " ")
}

// corruptCheck is the variable that has a member compare its data with that of
// the others before it serves. Its name is another since 3.6; Debian has 3.4
// and 3.5.
func corruptCheck(c *cluster.Cluster) string {
	e := c.Def.Components.Etcd
	if e.Source == cluster.SourceGo && !strings.HasPrefix(e.Version, "v3.4.") && !strings.HasPrefix(e.Version, "v3.5.") {
		return "ETCD_FEATURE_GATES=InitialCorruptCheck=true"
	}
	return "ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK=true"
}
