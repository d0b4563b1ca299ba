package ignition

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Where a node finds its facts.
const (
	factsPath = "/etc/ingot/node.json"
	envPath   = "/etc/ingot/node.env"
)

// The first two keys of node.json.
const (
	FactsVersion = "ingot/v1"
	FactsKind    = "Node"
)

// Facts is the content of /etc/ingot/node.json: what a machine knows about
// itself and its cluster without asking anybody. Keys are only ever added.
type Facts struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`

	Cluster string            `json:"cluster"`
	Domain  string            `json:"domain"`
	Name    string            `json:"name"`
	FQDN    string            `json:"fqdn"`
	Index   int               `json:"index"`
	Spare   bool              `json:"spare,omitempty"`
	Roles   []cluster.Role    `json:"roles"`
	Zone    string            `json:"zone,omitempty"`
	Address string            `json:"address,omitempty"` // where other nodes dial this one
	Labels  map[string]string `json:"labels,omitempty"`  // for the kubelet to register
	Taints  []string          `json:"taints,omitempty"`  // key=value:Effect, for the kubelet to register

	Mesh       MeshFacts       `json:"mesh"`
	Pods       PodFacts        `json:"pods"`
	Services   ServiceFacts    `json:"services"`
	API        APIFacts        `json:"api"`
	Etcd       EtcdFacts       `json:"etcd"`
	Kubernetes KubernetesFacts `json:"kubernetes"`

	// Peers are the nodes that this one deals with directly: the controllers and
	// the hubs of the mesh, without itself.
	Peers []Peer `json:"peers"`
}

// MeshFacts describe this node's place in the mesh.
type MeshFacts struct {
	Interface string         `json:"interface"`
	Name      string         `json:"name"` // in tinc, which knows no hyphen
	Port      int            `json:"port"`
	MTU       int            `json:"mtu"`
	Addresses []netip.Addr   `json:"addresses"` // the primary one first
	CIDRs     []netip.Prefix `json:"cidrs"`
	ConnectTo []string       `json:"connectTo"` // names of nodes
}

// PodFacts are address ranges of pods.
type PodFacts struct {
	CIDRs        []netip.Prefix `json:"cidrs"` // of this node
	ClusterCIDRs []netip.Prefix `json:"clusterCIDRs"`
}

// ServiceFacts are addresses of Services.
type ServiceFacts struct {
	CIDRs         []netip.Prefix `json:"cidrs"`
	KubernetesIPs []netip.Addr   `json:"kubernetesIPs"` // of the Service kubernetes.default
	DNSIPs        []netip.Addr   `json:"dnsIPs"`        // cluster DNS, answered on every node by itself
	DNSUpstream   []string       `json:"dnsUpstream,omitempty"`
	ClusterDomain string         `json:"clusterDomain"`
	NodePorts     string         `json:"nodePorts"`
}

// APIFacts say how the Kubernetes API is reached.
type APIFacts struct {
	VIP         netip.Addr `json:"vip"`
	Port        int        `json:"port"`
	LocalPort   int        `json:"localPort"`
	LocalURL    string     `json:"localURL"`    // of the balancer on this node
	Controllers []string   `json:"controllers"` // host:port of every kube-apiserver
	Names       []string   `json:"names,omitempty"`
	Public      bool       `json:"public,omitempty"`
}

// EtcdFacts say how etcd is reached.
type EtcdFacts struct {
	Endpoints      []string `json:"endpoints"`
	InitialCluster string   `json:"initialCluster"`
	MetricsPort    int      `json:"metricsPort"`
}

// KubernetesFacts are versions and settings of the components.
type KubernetesFacts struct {
	Version        string            `json:"version"`
	FeatureGates   map[string]bool   `json:"featureGates,omitempty"`
	KubeletPort    int               `json:"kubeletPort"`
	MaxPods        int               `json:"maxPods"`
	SystemReserved map[string]string `json:"systemReserved,omitempty"`
	EvictionHard   map[string]string `json:"evictionHard,omitempty"`
	NodeExporter   bool              `json:"nodeExporter"`
	AuditLog       bool              `json:"auditLog"`
	Encryption     bool              `json:"encryption"`
}

// Peer is another node.
type Peer struct {
	Name      string         `json:"name"`
	Roles     []cluster.Role `json:"roles"`
	Address   string         `json:"address,omitempty"`
	Addresses []netip.Addr   `json:"addresses"` // in the mesh
	PodCIDRs  []netip.Prefix `json:"podCIDRs"`
}

// FactsOf derives a node's facts from the definition.
func FactsOf(c *cluster.Cluster, n *cluster.Node) Facts {
	d := &c.Def
	k := &d.Kubernetes
	f := Facts{
		APIVersion: FactsVersion, Kind: FactsKind,
		Cluster: d.Name, Domain: d.Domain, Name: n.Name, FQDN: c.FQDN(n), Index: n.Index, Spare: n.Spare,
		Roles: n.Spec.Roles, Zone: n.Spec.Zone, Address: n.Spec.Address,
		Labels: labels(c, n), Taints: taints(n),
		Mesh: MeshFacts{
			Interface: d.Mesh.Interface, Name: meshName(n.Name), Port: d.Mesh.Port, MTU: d.Mesh.MTU,
			Addresses: n.MeshIPs, CIDRs: c.MeshCIDRs, ConnectTo: names(connectTo(c, n)),
		},
		Pods: PodFacts{CIDRs: n.PodCIDRs, ClusterCIDRs: c.PodCIDRs},
		Services: ServiceFacts{
			CIDRs: c.ServiceCIDRs, KubernetesIPs: c.ServiceIPs, DNSIPs: c.DNSIPs, DNSUpstream: d.DNS.Upstream,
			ClusterDomain: k.ClusterDomain, NodePorts: k.NodePorts,
		},
		API: APIFacts{
			VIP: c.VIP, Port: d.API.Port, LocalPort: d.API.LocalPort, LocalURL: c.LocalAPIURL(),
			Names: d.API.Names, Public: d.API.Public,
		},
		Etcd: EtcdFacts{InitialCluster: c.EtcdInitialCluster(), MetricsPort: d.Etcd.MetricsPort},
		Kubernetes: KubernetesFacts{
			Version: k.Version, FeatureGates: k.FeatureGates, KubeletPort: k.Kubelet.Port, MaxPods: k.Kubelet.MaxPods,
			SystemReserved: k.Kubelet.SystemReserved, EvictionHard: k.Kubelet.EvictionHard,
			NodeExporter: *d.Features.NodeExporter, AuditLog: *d.Features.AuditLog, Encryption: *d.Features.Encryption,
		},
		Peers: []Peer{},
	}
	for _, p := range c.WithRole(cluster.Controller) {
		f.API.Controllers = append(f.API.Controllers, hostPort(p.MeshIP(), d.API.Port))
		f.Etcd.Endpoints = append(f.Etcd.Endpoints, c.EtcdClientURL(p))
	}
	for _, p := range directPeers(c, n) {
		f.Peers = append(f.Peers, Peer{
			Name: p.Name, Roles: p.Spec.Roles, Address: p.Spec.Address, Addresses: p.MeshIPs, PodCIDRs: p.PodCIDRs,
		})
	}
	return f
}

// directPeers are the controllers and the hubs without n, in order.
func directPeers(c *cluster.Cluster, n *cluster.Node) []*cluster.Node {
	hubs := meshHubs(c)
	var out []*cluster.Node
	for i := range c.Nodes {
		p := &c.Nodes[i]
		if p.Name != n.Name && (!p.Spare && p.Has(cluster.Controller) || slices.Contains(hubs, p)) {
			out = append(out, p)
		}
	}
	return out
}

// labels are those of all nodes, then the node's own, then its zone under the
// name that Kubernetes gives it (kubernetes.io, "Well-Known Labels").
func labels(c *cluster.Cluster, n *cluster.Node) map[string]string {
	out := maps.Clone(c.Def.Kubernetes.Labels)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, n.Spec.Labels)
	if n.Spec.Zone != "" {
		out["topology.kubernetes.io/zone"] = n.Spec.Zone
	}
	return out
}

// taints are the node's own and, where nothing says that it is a worker, those
// that keep ordinary pods away from controllers and edges.
func taints(n *cluster.Node) []string {
	out := slices.Clone(n.Spec.Taints)
	if n.Has(cluster.Worker) {
		return out
	}
	if n.Has(cluster.Controller) {
		out = append(out, "node-role.kubernetes.io/control-plane=:NoSchedule")
	}
	if n.Has(cluster.Edge) {
		out = append(out, "node-role.kubernetes.io/edge=:NoSchedule")
	}
	return out
}

func factFiles(c *cluster.Cluster, n *cluster.Node) ([]File, error) {
	f := FactsOf(c, n)
	data, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", factsPath, err)
	}
	return []File{
		early("/etc/hostname", modePublic, n.Name+"\n"),
		public(factsPath, string(data)+"\n"),
		public(envPath, factsEnv(f)),
	}, nil
}

func names(nodes []*cluster.Node) []string {
	out := []string{}
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return out
}

func hostPort(a netip.Addr, port int) string {
	return netip.AddrPortFrom(a, uint16(port)).String() // validated to be 1-65535
}

// joined writes a list with commas.
func joined[T fmt.Stringer](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = v.String()
	}
	return strings.Join(parts, ",")
}
