// Package kubelet is the layer that runs the kubelet on every node, and gives
// its pods their network: a bridge on each node, with the addresses that the
// node owns, and the mesh between the nodes.
package kubelet

import (
	_ "embed" // the units and the script
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
	"github.com/ingot-k8s/ingot/provisioners/containerd"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/internal/kube"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

const (
	dir        = "/usr/lib/ingot/kubelet/"
	configPath = dir + "config.yaml"
	// dropIns has the one setting file that a machine writes for itself.
	dropIns = "/run/ingot/kubelet.d"
	// volumePlugins is in place of a default on the read-only root.
	volumePlugins = "/var/lib/kubelet/volumeplugins"
	healthzPort   = 10248
)

var (
	//go:embed kubelet.service
	service string
	//go:embed ingot-network.service
	networkService string
	//go:embed node-settings.sh
	nodeSettings string
)

// shutdownSeconds is how long a machine that shuts down waits for its pods,
// and criticalSeconds the part of it that critical ones get.
const (
	shutdownSeconds = "30"
	criticalSeconds = "10"
)

// Layer runs the kubelet. Its certificates and its kubeconfig come with the
// node's identity; what else differs from machine to machine, node-settings
// writes whenever the kubelet starts.
func Layer(c *cluster.Cluster) layer.Layer {
	return layer.Layer{
		Name: "kubelet",
		Files: []layer.File{
			{Path: configPath, Content: config(c)},
			{Path: dir + "cni.conflist", Content: []byte(conflist(c))},
			{Path: dir + "network.nft", Content: []byte(ruleset(c))},
			{Path: dir + "node-settings", Mode: 0o755, Content: []byte(nodeSettings)},
			// Or else the kubelet writes such a file itself, and has logind start again.
			{Path: "/usr/lib/systemd/logind.conf.d/60-ingot-kubelet.conf", Content: []byte("[Login]\nInhibitDelayMaxSec=" + shutdownSeconds + "\n")},
		},
		Units: []layer.Unit{
			{Name: "ingot-network.service", Content: networkService, WantedBy: []string{"sysinit.target"}},
			{Name: "kubelet.service", Content: unit(c), WantedBy: identity.Targets()},
		},
		Modules:    []string{"br_netfilter", "nf_conntrack"},
		Packages:   []string{"iptables", "mount", "nftables"}, // CNI's portmap calls iptables
		Components: []string{"kubernetes", "cni"},
		Listeners: []layer.Listener{
			{Program: "kubelet", Address: "mesh", Port: c.Def.Kubernetes.Kubelet.Port, Proto: "tcp", Purpose: "the kubelet's API: logs, exec, metrics", On: "all nodes"},
			{Program: "kubelet", Address: "loopback", Port: healthzPort, Proto: "tcp", Purpose: "the kubelet's health", On: "all nodes"},
		},
	}
}

func unit(c *cluster.Cluster) string {
	flags := append([]kube.Flag{
		kube.Set("config", configPath),
		kube.Set("config-dir", dropIns),
		kube.Set("kubeconfig", "/etc/kubernetes/kubelet.conf"),
		kube.SetEnv("hostname-override", "INGOT_NODE"),
		kube.SetEnv("node-ip", "INGOT_MESH_IPS"),
		kube.SetEnv("node-labels", "INGOT_NODE_LABELS"),
	}, kube.Sorted(c.Def.Kubernetes.ExtraArgs.Kubelet, nil)...)
	return strings.NewReplacer(
		"@MESH@", tinc.Unit(c),
		"@API@", apiendpoint.ReadyUnit,
		"@COMMAND@", kube.Command("/usr/bin/kubelet", flags),
	).Replace(service)
}

// endpoint is containerd's, as the kubelet wants it.
const endpoint = "unix://" + containerd.Socket
