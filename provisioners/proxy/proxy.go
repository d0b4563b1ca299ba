// Package proxy is the layer that runs kube-proxy on every node, so that
// Services are reached from pods and from the node itself.
package proxy

import (
	_ "embed" // the unit
	"net/netip"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/internal/kube"
	"github.com/ingot-k8s/ingot/provisioners/kubelet"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

const (
	userID         = 824
	kubeconfigPath = kube.Dir + "proxy.conf"

	metricsPort = 10249
	healthzPort = 10256
)

//go:embed kube-proxy.service
var service string

// Layer runs kube-proxy, as a user of its own that may change the network and
// nothing else.
func Layer(c *cluster.Cluster) layer.Layer {
	return layer.Layer{
		Name:  "proxy",
		Files: []layer.File{{Path: kubeconfigPath, Content: kube.Kubeconfig(c, "kube-proxy.service", "proxy")}},
		Units: []layer.Unit{{
			Name: "kube-proxy.service",
			Content: strings.NewReplacer(
				"@MESH@", tinc.Unit(c),
				"@API@", apiendpoint.ReadyUnit,
				"@PKI@", kube.PKI,
				"@RANGES@", joined(c.MeshCIDRs),
				"@COMMAND@", kube.Command("/usr/bin/kube-proxy", flags(c)),
			).Replace(service),
			WantedBy: identity.Targets(),
		}},
		Users:      []layer.User{{Name: "kube-proxy", ID: userID, Comment: "Kubernetes Services"}},
		Modules:    []string{"nf_conntrack"}, // whose settings are there only with it
		Packages:   []string{"nftables"},
		Components: []string{"kubernetes"},
		Listeners: []layer.Listener{
			{Program: "kube-proxy", Address: "loopback", Port: metricsPort, Proto: "tcp", Purpose: "kube-proxy's metrics", On: "all nodes"},
			{Program: "kube-proxy", Address: "loopback", Port: healthzPort, Proto: "tcp", Purpose: "kube-proxy's health", On: "all nodes"},
		},
	}
}

// flags are kube-proxy's. There is no file of settings: with one it takes no
// notice of most flags, and so of those that a definition adds.
func flags(c *cluster.Cluster) []kube.Flag {
	own := []kube.Flag{
		kube.Set("kubeconfig", kubeconfigPath),
		kube.SetEnv("hostname-override", "INGOT_NODE"),
		// It binds nothing: this is the node's address, whatever the API knows yet.
		kube.SetEnv("bind-address", "INGOT_MESH_IP"),
		kube.Set("healthz-bind-address", loopback(healthzPort)),
		kube.Set("metrics-bind-address", loopback(metricsPort)),
		// Pods of this node are those behind its bridge; Node objects have no ranges.
		kube.Set("detect-local-mode", "BridgeInterface"),
		kube.Set("pod-bridge-interface", kubelet.Bridge),
		// NodePorts are reached in the mesh, at the virtual address, too, and at
		// edges from everywhere.
		kube.SetEnv("nodeport-addresses", "INGOT_NODEPORTS"),
		kube.SetBool("profiling", false),
	}
	own = append(own, kube.FeatureGates(c.Def.Kubernetes.FeatureGates)...)
	return append(own, kube.Sorted(c.Def.Kubernetes.ExtraArgs.Proxy, defaults())...)
}

// defaults are flags that a definition may set otherwise.
func defaults() map[string]string {
	return map[string]string{
		"proxy-mode": "nftables",
		// Linux chooses by the machine's memory; to raise it can take root.
		"conntrack-max-per-core": "0",
		// The unit sets it. Without root it can only be set to the same again.
		"oom-score-adj": "-999",
	}
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func joined(ranges []netip.Prefix) string {
	var parts []string
	for _, p := range ranges {
		parts = append(parts, p.Masked().String())
	}
	return strings.Join(parts, ",")
}
