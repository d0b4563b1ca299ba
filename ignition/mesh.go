package ignition

import (
	"encoding/pem"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
)

// leastHubs is how many nodes the others dial, if so many can be dialled. Five
// survive the loss of four, and a node's list of peers stays short however
// many machines there are.
const leastHubs = 5

// macLength is the length in bytes of the authentication code of each packet.
// tinc's default is 4; 32 is the whole of SHA-256, and what mesh.mtu leaves
// room for.
const macLength = 32

// vipWeight is the weight of the first controller's claim to the virtual
// address; each further controller has one more. Lower wins among those that
// can be reached (tinc.conf(5), "Subnet"), and 10 is tinc's default.
const vipWeight = 10

// meshHubs are the nodes that every other node dials: all controllers that can
// be dialled, then other such nodes in order, up to leastHubs. A connection of
// the control protocol to a few nodes is enough for all: tinc passes on where
// each node is, and sends data from node to node directly wherever it can
// (tinc manual, "How connections work").
func meshHubs(c *cluster.Cluster) []*cluster.Node {
	var hubs, others []*cluster.Node
	for _, n := range c.DialableNodes() {
		if !n.Spare && n.Has(cluster.Controller) {
			hubs = append(hubs, n)
		} else {
			others = append(others, n)
		}
	}
	if room := leastHubs - len(hubs); room > 0 {
		hubs = append(hubs, others[:min(room, len(others))]...)
	}
	return hubs
}

// connectTo lists the nodes that n dials.
func connectTo(c *cluster.Cluster, n *cluster.Node) []*cluster.Node {
	return slices.DeleteFunc(meshHubs(c), func(h *cluster.Node) bool { return h.Name == n.Name })
}

// MeshPeerNames lists the nodes whose public keys n must have, in order. tinc
// 1.0 checks keys only between nodes with a connection of the control protocol
// to each other (tinc manual, "Authentication protocol": both sides encrypt
// with the other's public key); keys of data packets go through that. So a hub
// must know all nodes, spares too, because all of them dial in, and any other
// node only the hubs.
func MeshPeerNames(c *cluster.Cluster, n *cluster.Node) []string {
	hubs := names(connectTo(c, n))
	if !slices.ContainsFunc(meshHubs(c), func(h *cluster.Node) bool { return h.Name == n.Name }) {
		return hubs
	}
	var all []string
	for i := range c.Nodes {
		if c.Nodes[i].Name != n.Name {
			all = append(all, c.Nodes[i].Name)
		}
	}
	return all
}

// meshName is a node's name in tinc, which allows letters, digits and
// underscores only. Node names have no underscore, so no two become alike.
func meshName(node string) string { return strings.ReplaceAll(node, "-", "_") }

func meshFiles(c *cluster.Cluster, n *cluster.Node, m *pki.Material, peers MeshPeers) ([]File, error) {
	dir := meshDir(c)
	if len(m.Mesh.PrivatePEM) == 0 || len(m.Mesh.PublicPEM) == 0 {
		return nil, fmt.Errorf("mesh key of %q is missing", n.Name)
	}
	own, err := meshHost(c, n, true, m.Mesh.PublicPEM)
	if err != nil {
		return nil, err
	}
	files := []File{
		public(dir+"/tinc.conf", tincConf(c, n)),
		secret(dir+"/rsa_key.priv", m.Mesh.PrivatePEM),
		{Path: dir + "/tinc-up", Mode: modeScript, Owner: rootOwner, Data: []byte(tincUp(c, n))},
		{Path: dir + "/tinc-down", Mode: modeScript, Owner: rootOwner, Data: []byte("#!/bin/sh\nip link set \"$INTERFACE\" down\n")},
		public(dir+"/hosts/"+meshName(n.Name), own),
	}
	if !*c.Def.Identity.Common {
		return files, nil
	}
	for _, name := range MeshPeerNames(c, n) {
		peer, _ := c.Node(name)
		key, ok := peers[name]
		if !ok {
			return nil, fmt.Errorf("public mesh key of %q is missing", name)
		}
		host, err := MeshHost(c, peer, key)
		if err != nil {
			return nil, err
		}
		files = append(files, host)
	}
	return files, nil
}

func tincConf(c *cluster.Cluster, n *cluster.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Name = %s\nMode = router\nAddressFamily = any\nDevice = /dev/net/tun\nInterface = %s\n", meshName(n.Name), c.Def.Mesh.Interface)
	// By default tinc notices a dead node after a minute, and tries to get back
	// to one that was gone for long every 15 minutes.
	b.WriteString("PingInterval = 10\nPingTimeout = 5\nMaxTimeout = 60\n")
	for _, h := range connectTo(c, n) {
		fmt.Fprintf(&b, "ConnectTo = %s\n", meshName(h.Name))
	}
	return b.String()
}

// MeshHost is the file by which other nodes know n: the same for all of them, in
// identities and in the image. key is the node's public mesh key, one PEM block.
func MeshHost(c *cluster.Cluster, n *cluster.Node, key []byte) (File, error) {
	host, err := meshHost(c, n, false, key)
	if err != nil {
		return File{}, err
	}
	return public(meshDir(c)+"/hosts/"+meshName(n.Name), host), nil
}

// meshDir is the folder of tinc's settings.
func meshDir(c *cluster.Cluster) string { return "/etc/tinc/" + c.Def.Mesh.Interface }

// meshHost is the host file of a node. Of another node, only the key and, if
// it is to be dialled, its address matter: the rest is told by the node itself.
func meshHost(c *cluster.Cluster, n *cluster.Node, own bool, key []byte) (string, error) {
	block, rest := pem.Decode(key)
	if block == nil || block.Type != "RSA PUBLIC KEY" || len(strings.TrimSpace(string(rest))) > 0 {
		return "", fmt.Errorf("public mesh key of %q is not one PEM block of type RSA PUBLIC KEY", n.Name)
	}
	var b strings.Builder
	if n.Dialable() {
		fmt.Fprintf(&b, "Address = %s %d\n", n.Spec.Address, c.Def.Mesh.Port)
	}
	if own {
		fmt.Fprintf(&b, "Port = %d\nCipher = %s\nDigest = %s\nMACLength = %d\n", c.Def.Mesh.Port, c.Def.Mesh.Cipher, c.Def.Mesh.Digest, macLength)
		for _, a := range n.MeshIPs {
			fmt.Fprintf(&b, "Subnet = %s\n", hostPrefix(a))
		}
		for _, p := range n.PodCIDRs {
			fmt.Fprintf(&b, "Subnet = %s\n", p)
		}
		if rank := slices.IndexFunc(c.WithRole(cluster.Controller), func(m *cluster.Node) bool { return m.Name == n.Name }); rank >= 0 {
			fmt.Fprintf(&b, "Subnet = %s#%d\n", hostPrefix(c.VIP), vipWeight+rank)
		}
	}
	return b.String() + string(pem.EncodeToMemory(block)), nil
}

// tincUp gives the interface its addresses, and the routes to all mesh
// addresses and pods through it. Everything is "replace", so that it can run
// again over a persistent interface. $INTERFACE is set by tinc.
func tincUp(c *cluster.Cluster, n *cluster.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\nset -e\nip link set \"$INTERFACE\" mtu %d up\n", c.Def.Mesh.MTU)
	for i, a := range n.MeshIPs {
		fmt.Fprintf(&b, "ip address replace %s/%d dev \"$INTERFACE\"%s\n", a, c.MeshCIDRs[i].Bits(), nodad(a))
	}
	if n.Has(cluster.Controller) && !n.Spare {
		fmt.Fprintf(&b, "ip address replace %s dev \"$INTERFACE\"%s\n", hostPrefix(c.VIP), nodad(c.VIP))
	}
	for _, p := range c.PodCIDRs {
		source := ""
		if i := slices.IndexFunc(n.MeshIPs, func(a netip.Addr) bool { return a.Is4() == p.Addr().Is4() }); i >= 0 {
			source = " src " + n.MeshIPs[i].String()
		}
		fmt.Fprintf(&b, "ip route replace %s dev \"$INTERFACE\"%s\n", p, source)
	}
	return b.String()
}

// nodad makes an IPv6 address usable at once: nobody can have it twice, and
// there is no link to ask on.
func nodad(a netip.Addr) string {
	if a.Is6() {
		return " nodad"
	}
	return ""
}

// hostPrefix is the prefix of one address alone.
func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
