// Package apiendpoint is the layer of the API's address on every node: haproxy
// on loopback, which passes connections on to those of the controllers whose
// kube-apiserver is ready. With it the cluster needs no load balancer of a
// cloud, and no component knows more than one address.
package apiendpoint

import (
	_ "embed" // unit
	"fmt"
	"net/netip"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

// Unit is the balancer's unit. Once it is active, the balancer listens.
const Unit = "ingot-apiendpoint.service"

// ReadyUnit is active once the API answers there. What needs the API is
// ordered after it, and wants it.
const ReadyUnit = "ingot-api-ready.service"

const (
	configPath = "/usr/lib/ingot/apiendpoint/haproxy.cfg"
	binary     = "/usr/sbin/haproxy"
)

//go:embed ingot-apiendpoint.service
var unit string

//go:embed ingot-api-ready.service
var readyUnit string

// Layer is the layer.
func Layer(c *cluster.Cluster) layer.Layer {
	return layer.Layer{
		Name:       "apiendpoint",
		Components: []string{"haproxy", "ingot-node"},
		Files:      []layer.File{{Path: configPath, Content: []byte(config(c))}},
		Units: []layer.Unit{
			{
				Name: Unit, WantedBy: identity.Targets(),
				Content: strings.NewReplacer("@mesh@", tinc.Unit(c), "@haproxy@", binary).Replace(unit),
			},
			{Name: ReadyUnit, Content: readyUnit},
			{Name: "haproxy.service", Masked: true}, // of the package
		},
		Listeners: []layer.Listener{{
			Program: "haproxy", Address: "loopback", Port: c.Def.API.LocalPort, Proto: "tcp",
			Purpose: "the Kubernetes API, balanced over the controllers", On: "all nodes",
		}},
	}
}

// config is haproxy's configuration (docs.haproxy.org, "Configuration Manual").
//
// Connections are passed on as they are, TLS included. Watches last for hours
// and say little, so an idle connection ends late; that a controller is gone is
// found out by the checks, which then end its connections at once, so that
// clients come back and get another one.
func config(c *cluster.Cluster) string {
	var b strings.Builder
	fmt.Fprintf(&b, `global
	log stdout format raw local0 notice
	maxconn 4096

defaults
	mode tcp
	log global
	option dontlognull
	option clitcpka
	option srvtcpka
	option redispatch
	retries 2
	timeout connect 5s
	timeout client 4h
	timeout server 4h
	timeout client-fin 30s
	timeout server-fin 30s
	timeout tunnel 4h
	timeout check 15s

frontend kubernetes
	bind %s
	default_backend controllers

backend controllers
	balance leastconn
	option httpchk GET /readyz
	http-check expect status 200
	default-server check check-ssl check-sni kubernetes verify required verifyhost kubernetes ca-file %s inter 5s fastinter 2s downinter 5s rise 1 fall 3 on-marked-down shutdown-sessions
`, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(c.Def.API.LocalPort)), identity.AuthorityPath(pki.Kubernetes))
	for _, n := range c.WithRole(cluster.Controller) {
		fmt.Fprintf(&b, "\tserver %s %s\n", n.Name, netip.AddrPortFrom(n.MeshIP(), uint16(c.Def.API.Port)))
	}
	return b.String()
}
