// Package identity is the layer that makes a machine of the image one node of
// its cluster: what the image knows about the cluster, the authorities that an
// identity is held against, and the units that unpack and verify the identity
// and then start what the node's roles need.
package identity

import (
	"crypto/sha256"
	_ "embed" // units
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// Units that others are ordered after, or wanted by.
const (
	NodeUnit   = "ingot-node.service" // verifies the identity; active once it is good
	UnpackUnit = "ingot-unpack.service"
)

// Target is the target that ingot-node starts on nodes of a role.
func Target(r cluster.Role) string { return "ingot-" + string(r) + ".target" }

// Targets are those of all roles: what every node of the cluster runs is
// wanted by each of them.
func Targets() []string {
	return []string{Target(cluster.Controller), Target(cluster.Worker), Target(cluster.Edge)}
}

// ownUnit is the unit that identities bring along for machines without
// UnpackUnit. Ignition enables it; cloud-init starts it late in the boot, when
// there is something to unpack for the first time.
const (
	ownUnit    = "ingot-identity.service"
	ownUnitOff = "# The image's own unit does this.\n[Unit]\nConditionPathExists=!/usr/lib/systemd/system/" + UnpackUnit + "\n"
)

//go:embed ingot-unpack.service
var unpackUnit string

//go:embed ingot-node.service
var nodeUnit string

// Layer is the layer. The error names what pub lacks.
func Layer(c *cluster.Cluster, pub *pki.Public) (layer.Layer, error) {
	l := layer.Layer{
		Name:       "identity",
		Components: []string{"ingot-node"},
		Units: []layer.Unit{
			{Name: UnpackUnit, Content: unpackUnit, WantedBy: []string{"basic.target"}},
			{Name: NodeUnit, Content: nodeUnit, WantedBy: []string{"multi-user.target"}},
		},
	}
	for _, r := range []cluster.Role{cluster.Controller, cluster.Worker, cluster.Edge} {
		l.Units = append(l.Units, layer.Unit{Name: Target(r), Content: targetUnit(r)})
	}
	facts, err := Facts(c, pub)
	if err != nil {
		return layer.Layer{}, err
	}
	data, err := facts.Encode()
	if err != nil {
		return layer.Layer{}, err
	}
	l.Files = append(l.Files, layer.File{Path: clusterjson.Path, Content: data})
	for _, a := range pki.Authorities() {
		l.Files = append(l.Files, layer.File{Path: AuthorityPath(a), Content: pub.CAs[a]})
	}
	l.Files = append(l.Files,
		layer.File{Path: "/etc/hosts", Content: []byte(hosts(c))},
		layer.File{Path: "/usr/lib/issue.d/50-ingot.issue", Content: []byte(issue(c))})
	if c.Def.Provisioning == cluster.ProvisioningCloudInit {
		addCloudInit(&l, c)
	} else {
		l.Units = append(l.Units, layer.Unit{Name: ownUnit, DropIns: map[string]string{"50-ingot.conf": ownUnitOff}})
	}
	return l, nil
}

// AuthorityPath is where the image has the certificate of an authority.
func AuthorityPath(a pki.Authority) string { return clusterjson.PKIDir + "/" + string(a) + ".crt" }

// Facts is what the image knows about its cluster.
func Facts(c *cluster.Cluster, pub *pki.Public) (clusterjson.Cluster, error) {
	facts := clusterjson.Cluster{
		Name: c.Def.Name, Domain: c.Def.Domain, Kubernetes: c.Def.Kubernetes.Version, Provisioning: c.Def.Provisioning,
		MeshInterface: c.Def.Mesh.Interface, MeshCIDRs: c.MeshCIDRs, Authorities: map[string]string{},
		Labels: c.Def.Kubernetes.Labels,
	}
	if s := c.Def.Edge.FloatingAddress; s != "" {
		var err error
		if facts.FloatingAddress, err = netip.ParseAddr(s); err != nil {
			return clusterjson.Cluster{}, fmt.Errorf("layer identity: edge.floatingAddress: %w", err)
		}
	}
	for _, a := range pki.Authorities() {
		block, _ := pem.Decode(pub.CAs[a])
		if block == nil {
			return clusterjson.Cluster{}, fmt.Errorf("layer identity: the certificate of authority %q is missing", a)
		}
		sum := sha256.Sum256(block.Bytes)
		facts.Authorities[string(a)] = hex.EncodeToString(sum[:])
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		node := clusterjson.Node{
			Name: n.Name, Index: n.Index, Spare: n.Spare, Addresses: n.MeshIPs, PodCIDRs: n.PodCIDRs,
			Zone: n.Spec.Zone, Labels: n.Spec.Labels,
		}
		if block, _ := pem.Decode(pub.MeshKeys[n.Name]); block != nil { // that all are there, the mesh's layer looks
			sum := sha256.Sum256(block.Bytes)
			node.MeshKey = hex.EncodeToString(sum[:])
		}
		for _, r := range n.Spec.Roles {
			node.Roles = append(node.Roles, string(r))
		}
		facts.Nodes = append(facts.Nodes, node)
	}
	return facts, nil
}

// targetUnit starts nothing of a role before the identity is verified, and
// nothing at all where it was refused.
func targetUnit(r cluster.Role) string {
	return fmt.Sprintf(`[Unit]
Description=What a %s of the cluster runs
Requires=%s
After=%[2]s
`, r, NodeUnit)
}

// hosts gives the nodes their short names at their mesh addresses. Full names
// are not there: tinc may dial a node by its full name, which must lead to the
// address outside the mesh. Neither is a short name that others dial.
func hosts(c *cluster.Cluster) string {
	dialled := map[string]bool{}
	for i := range c.Nodes {
		dialled[c.Nodes[i].Spec.Address] = true
	}
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n")
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if dialled[n.Name] {
			continue
		}
		for _, a := range n.MeshIPs {
			fmt.Fprintf(&b, "%s %s\n", a, n.Name)
		}
	}
	return b.String()
}

// issue is what stands above the login prompt: agetty fills in the node's name
// and its first address (agetty(8), "Issue files").
func issue(c *cluster.Cluster) string {
	return fmt.Sprintf("Ingot: \\n of cluster %s, Kubernetes %s, address \\4\nState of the node: systemctl status ingot-node\n\n", c.Def.Name, c.Def.Kubernetes.Version)
}
