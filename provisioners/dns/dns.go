// Package dns is the layer of the cluster's DNS: CoreDNS on every node, on the
// addresses that pods have as their resolver. A pod's question leaves its node
// only where the answer is not known there.
package dns

import (
	_ "embed" // units
	"fmt"
	"net/netip"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

// Interface has the addresses of the cluster's DNS.
const Interface = "ingot-dns"

const (
	corefilePath = "/usr/lib/ingot/coredns/Corefile"
	rulesPath    = "/usr/lib/ingot/coredns/notrack.nft"
	unitName     = "coredns.service"
	addressUnit  = "ingot-dns.service"
	binary       = "/usr/bin/coredns"
	port         = 53
	metricsPort  = 9153
)

//go:embed coredns.service
var unit string

//go:embed ingot-dns.service
var address string

// Layer is the layer.
func Layer(c *cluster.Cluster) layer.Layer {
	l := layer.Layer{
		Name:       "dns",
		Components: []string{"coredns"},
		Packages:   []string{"iproute2", "nftables"},
		Modules:    []string{"dummy"},
		Files: []layer.File{
			{Path: corefilePath, Content: []byte(corefile(c))},
			{Path: rulesPath, Content: []byte(rules(c))},
		},
		Units: []layer.Unit{
			{Name: addressUnit, Content: strings.ReplaceAll(address, "@addresses@", addresses(c))},
			{
				Name: unitName, WantedBy: identity.Targets(),
				Content: strings.NewReplacer("@mesh@", tinc.Unit(c), "@api@", apiendpoint.ReadyUnit, "@coredns@", binary).Replace(unit),
			},
		},
		Listeners: []layer.Listener{{
			Program: "coredns", Address: "mesh", Port: metricsPort, Proto: "tcp", Purpose: "metrics of the cluster's DNS", On: "all nodes",
		}},
	}
	for _, a := range c.DNSIPs {
		for _, proto := range []string{"tcp", "udp"} {
			l.Listeners = append(l.Listeners, layer.Listener{
				Program: "coredns", Address: a.String(), Port: port, Proto: proto, Purpose: "the cluster's DNS", On: "all nodes",
			})
		}
	}
	return l
}

// corefile is CoreDNS' configuration (coredns.io/plugins). Of a kubeconfig,
// which would name files that only root reads, it needs no more than address,
// certificate and key; systemd hands it copies of these.
//
// What is not the cluster's goes to the definition's resolvers, or to the
// machine's own: systemd-resolved follows what DHCP says, which CoreDNS, who
// reads resolv.conf once, would not, and it is there before any network is. It
// asks the machine's resolvers alone, so there is no loop; the plugin loop
// makes sure.
func corefile(c *cluster.Cluster) string {
	upstream := "127.0.0.53"
	if len(c.Def.DNS.Upstream) > 0 {
		upstream = strings.Join(c.Def.DNS.Upstream, " ")
	}
	const credentials = "{$CREDENTIALS_DIRECTORY}"
	return fmt.Sprintf(`.:%d {
	bind %s
	errors
	prometheus %s:%d
	kubernetes %s in-addr.arpa ip6.arpa {
		endpoint %s
		tls %s/dns.crt %[7]s/dns.key %[8]s
		pods insecure
		ttl 30
		fallthrough in-addr.arpa ip6.arpa
	}
	cache 30
	loop
	loadbalance
	forward . %[9]s {
		max_concurrent 1000
	}
}
`, port, joined(c.DNSIPs, " "), meshHost(c), metricsPort, c.Def.Kubernetes.ClusterDomain, c.LocalAPIURL(), credentials,
		identity.AuthorityPath("kubernetes"), upstream)
}

// meshHost is the node's address in the mesh, as the host of an address with port.
func meshHost(c *cluster.Cluster) string {
	if c.MeshCIDRs[0].Addr().Is6() {
		return "[{$INGOT_MESH_IP}]"
	}
	return "{$INGOT_MESH_IP}"
}

// addresses are the commands that give the interface its addresses.
func addresses(c *cluster.Cluster) string {
	var lines []string
	for _, a := range c.DNSIPs {
		nodad := ""
		if a.Is6() {
			nodad = " nodad" // nobody else is on that link
		}
		lines = append(lines, fmt.Sprintf("ExecStart=/usr/bin/ip address replace %s dev %s%s", netip.PrefixFrom(a, a.BitLen()), Interface, nodad))
	}
	return strings.Join(lines, "\n")
}

// rules keep DNS within the node out of connection tracking. Questions come
// many and short, and would fill its table. And kube-proxy, which drops what
// goes to addresses of Services that it does not know, looks at new
// connections alone (kubernetes, pkg/proxy/nftables, cluster-ips-check), which
// these are then none of.
func rules(c *cluster.Cluster) string {
	var b strings.Builder
	b.WriteString("table inet ingot_dns {}\ndelete table inet ingot_dns\ntable inet ingot_dns {\n")
	for _, hook := range []string{"prerouting", "output"} {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype filter hook %[1]s priority raw; policy accept;\n", hook)
		for _, a := range c.DNSIPs {
			ip := "ip"
			if a.Is6() {
				ip = "ip6"
			}
			for _, proto := range []string{"udp", "tcp"} {
				fmt.Fprintf(&b, "\t\t%[1]s daddr %[2]s %[3]s dport %[4]d notrack\n\t\t%[1]s saddr %[2]s %[3]s sport %[4]d notrack\n", ip, a, proto, port)
			}
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func joined(list []netip.Addr, by string) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = a.String()
	}
	return strings.Join(parts, by)
}
