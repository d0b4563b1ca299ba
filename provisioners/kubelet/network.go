package kubelet

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/node/vip"
)

// Bridge is the interface that the pods of a node are behind.
const Bridge = "ingot0"

// conflist is the configuration of CNI, but for the ranges of addresses that
// the node owns (cni.dev, plugins bridge, host-local, portmap). Nothing is
// remembered over a boot, after which no pod has an address.
func conflist(c *cluster.Cluster) string {
	var routes []string
	for _, p := range c.PodCIDRs {
		if p.Addr().Is4() {
			routes = append(routes, `{"dst": "0.0.0.0/0"}`)
		} else {
			routes = append(routes, `{"dst": "::/0"}`)
		}
	}
	return strings.NewReplacer(
		"@BRIDGE@", Bridge, "@MTU@", strconv.Itoa(c.Def.Mesh.MTU), "@ROUTES@", strings.Join(routes, ", "),
	).Replace(`{
  "cniVersion": "1.0.0",
  "name": "ingot",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "@BRIDGE@",
      "isGateway": true,
      "ipMasq": false,
      "hairpinMode": true,
      "mtu": @MTU@,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni/networks",
        "ranges": [@RANGES@],
        "routes": [@ROUTES@]
      }
    },
    {
      "type": "portmap",
      "capabilities": {"portMappings": true},
      "snat": true
    }
  ]
}
`)
}

// ruleset is the table of nftables that keeps the mesh and the pods apart from
// the networks that machines are in, the same on every machine:
//
//   - An address of the mesh, of a pod or of a Service is on no other network.
//     Without this, a neighbour could send packets to what listens on a mesh
//     address alone, because Linux takes them in by any interface.
//   - kube-apiserver has one address to listen on and needs two, its own and
//     the virtual one, so it listens on all of them.
//   - Pods reach the outside by the machine's address.
func ruleset(c *cluster.Cluster) string {
	var b strings.Builder
	inside := fmt.Sprintf(`{ "lo", %q, %q, %q }`, c.Def.Mesh.Interface, vip.Interface, Bridge)
	b.WriteString("# Loaded by ingot-network.service. Loading it again replaces it as a whole.\n")
	b.WriteString("table inet ingot\ndelete table inet ingot\ntable inet ingot {\n")
	b.WriteString("\tchain prerouting {\n\t\ttype filter hook prerouting priority raw; policy accept;\n")
	fmt.Fprintf(&b, "\t\tiifname %s accept\n", inside)
	for _, f := range families(c) {
		fmt.Fprintf(&b, "\t\t%s daddr %s drop\n\t\t%s saddr %s drop\n", f.name, f.all, f.name, f.all)
	}
	b.WriteString("\t}\n")
	if !c.Def.API.Public {
		b.WriteString("\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n")
		fmt.Fprintf(&b, "\t\tiifname != %s tcp dport %d drop\n\t}\n", inside, c.Def.API.Port)
	}
	b.WriteString("\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n")
	for _, f := range families(c) {
		if f.pods != "" {
			fmt.Fprintf(&b, "\t\t%s saddr %s %s daddr != %s masquerade fully-random\n", f.name, f.pods, f.name, f.all)
		}
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// family is the cluster's ranges of one family, as nftables has sets.
type family struct {
	name      string // ip, ip6
	all, pods string // pods is empty where they have no such addresses
}

func families(c *cluster.Cluster) []family {
	var out []family
	for _, name := range []string{"ip", "ip6"} {
		of := func(lists ...[]netip.Prefix) string {
			var parts []string
			for _, p := range slices.Concat(lists...) {
				if p.Addr().Is4() == (name == "ip") {
					parts = append(parts, p.Masked().String())
				}
			}
			if len(parts) == 0 {
				return ""
			}
			return "{ " + strings.Join(parts, ", ") + " }"
		}
		if all := of(c.MeshCIDRs, c.PodCIDRs, c.ServiceCIDRs); all != "" {
			out = append(out, family{name, all, of(c.PodCIDRs)})
		}
	}
	return out
}
