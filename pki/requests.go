// Package pki is the cluster's public key infrastructure: three authorities,
// every certificate that a node will ever need, the mesh keys, and the store
// that keeps them. Signing is cfssl's work, locally or on another machine.
package pki

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Names that Kubernetes gives a meaning to (kubernetes.io, "PKI certificates
// and requirements"; "Using Node Authorization"), and ours.
const (
	nodePrefix = "system:node:" // + node name: the user that the node authorizer knows
	nodesGroup = "system:nodes"

	adminsGroup  = "ingot:admins"   // bound to cluster-admin by a ClusterRoleBinding that can be taken away
	mastersGroup = "system:masters" // bypasses RBAC for as long as the certificate lives
	dnsUser      = "ingot:dns"
)

// NodeRequests lists the certificates that a node's roles need, in the order
// in which they are issued and shown. It is a pure function of the definition.
func NodeRequests(c *cluster.Cluster, n *cluster.Node) []Request {
	var out []Request
	if n.Has(cluster.Controller) {
		out = controllerRequests(c, n)
	}
	mesh := names{}.dns(n.Name, c.FQDN(n)).ip(n.MeshIPs...)
	return append(out,
		client("kubelet-client", Kubernetes, nodePrefix+n.Name, nodesGroup),
		mesh.host(n.Spec.Address).server("kubelet-server", Server, Kubernetes, nodePrefix+n.Name, nodesGroup),
		client("proxy", Kubernetes, "system:kube-proxy"),
		client("dns", Kubernetes, dnsUser),
		mesh.server("metrics", Server, Kubernetes, n.Name),
	)
}

// controllerRequests lists what only a controller needs.
func controllerRequests(c *cluster.Cluster, n *cluster.Node) []Request {
	mesh := names{}.dns(n.Name, c.FQDN(n)).ip(n.MeshIPs...)
	service := "kubernetes.default.svc"
	api := mesh.loopback().
		dns("kubernetes", "kubernetes.default", service, service+"."+c.Def.Kubernetes.ClusterDomain).
		ip(c.ServiceIPs...).host(n.Spec.Address).ip(c.VIP).dns(c.Def.API.Names...)
	return []Request{
		// Peer: etcd's gRPC gateway dials its own server with the server's
		// certificate, and --client-cert-auth then asks for client usage.
		mesh.loopback().server("etcd-server", Peer, Etcd, n.Name),
		mesh.server("etcd-peer", Peer, Etcd, n.Name),
		api.server("apiserver", Server, Kubernetes, "kube-apiserver"),
		// Of system:masters, for kubelets and the API: with it a controller keeps
		// RBAC, labels and add-ons as the definition has them. Who has this key is
		// root on a controller, and has etcd and the service account key already.
		client("apiserver-kubelet-client", Kubernetes, "kube-apiserver-kubelet-client", mastersGroup),
		client("apiserver-etcd-client", Etcd, "kube-apiserver-etcd-client"),
		client("front-proxy-client", FrontProxy, "front-proxy-client"),
		client("controller-manager", Kubernetes, "system:kube-controller-manager"),
		client("scheduler", Kubernetes, "system:kube-scheduler"),
	}
}

// AdminRequest is the certificate of a person. Its rights come from the RBAC
// binding of the group ingot:admins alone, so that they can be taken away.
func AdminRequest(_ *cluster.Cluster, name string) Request {
	return client("admin", Kubernetes, name, adminsGroup)
}

// BreakGlassRequest is a certificate of the group system:masters, which works
// when RBAC itself is broken, and which nothing but its end takes away.
func BreakGlassRequest() Request {
	return client("break-glass", Kubernetes, "break-glass", mastersGroup)
}

func client(name string, a Authority, cn string, org ...string) Request {
	return Request{Name: name, Authority: a, Usage: Client, CommonName: cn, Organization: org}
}

// names collects subject alternative names. Its methods return extended
// copies, so that one set can be the start of several.
type names struct {
	hosts []string
	addrs []netip.Addr
}

func (s names) dns(hosts ...string) names {
	s.hosts = slices.Clone(s.hosts)
	for _, h := range hosts {
		s.hosts = append(s.hosts, strings.ToLower(h))
	}
	return s
}

func (s names) ip(addrs ...netip.Addr) names {
	s.addrs = slices.Clone(s.addrs)
	for _, a := range addrs {
		if a.IsValid() {
			s.addrs = append(s.addrs, a.Unmap())
		}
	}
	return s
}

// host adds an address of the definition: an IP address, a DNS name or nothing.
func (s names) host(address string) names {
	if a, err := netip.ParseAddr(address); err == nil {
		return s.ip(a)
	}
	if address == "" {
		return s
	}
	return s.dns(address)
}

func (s names) loopback() names {
	return s.dns("localhost").ip(netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
}

// server makes a request with these names, each once and sorted.
func (s names) server(name string, u Usage, a Authority, cn string, org ...string) Request {
	s = s.dns().ip() // copies
	slices.Sort(s.hosts)
	slices.SortFunc(s.addrs, netip.Addr.Compare)
	return Request{
		Name: name, Authority: a, Usage: u, CommonName: cn, Organization: org,
		DNSNames: slices.Compact(s.hosts), IPs: slices.Compact(s.addrs),
	}
}
