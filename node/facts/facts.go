// Package facts reads what a node knows about itself and its cluster without
// asking anybody: /etc/ingot/node.json, which comes with the identity. Only what
// the commands of ingot-node need is read; the whole of it is the type Facts of
// package ignition. Whether it may be believed, package identity has decided.
package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/node/identity"
)

// maxFile bounds node.json, in bytes.
const maxFile = 1 << 20

// Node is what is read.
type Node struct {
	Cluster string   `json:"cluster"`
	Name    string   `json:"name"`
	Index   int      `json:"index"`
	Spare   bool     `json:"spare"`
	Roles   []string `json:"roles"`
	Dialled string   `json:"address"` // where other nodes dial this one; empty for nowhere
	Mesh    struct {
		Interface string       `json:"interface"`
		Name      string       `json:"name"` // in tinc
		Port      int          `json:"port"`
		MTU       int          `json:"mtu"`
		Addresses []netip.Addr `json:"addresses"`
	} `json:"mesh"`
	Services struct {
		KubernetesIPs []netip.Addr `json:"kubernetesIPs"`
		DNSIPs        []netip.Addr `json:"dnsIPs"`
		ClusterDomain string       `json:"clusterDomain"`
	} `json:"services"`
	API struct {
		VIP         netip.Addr `json:"vip"`
		Port        int        `json:"port"`
		LocalURL    string     `json:"localURL"`
		Controllers []string   `json:"controllers"` // host:port, by rank
	} `json:"api"`
	Etcd struct {
		Endpoints   []string `json:"endpoints"` // URLs for clients, by rank
		MetricsPort int      `json:"metricsPort"`
	} `json:"etcd"`
	Peers []Peer `json:"peers"`
}

// Peer is a controller or a hub of the mesh, other than the node.
type Peer struct {
	Name      string       `json:"name"`
	Roles     []string     `json:"roles"`
	Addresses []netip.Addr `json:"addresses"`
}

// Read reads the facts below a root folder. The error is fs.ErrNotExist where
// the machine has no identity.
func Read(root string) (*Node, error) {
	data, err := atomicfile.ReadFile(filepath.Join(root, identity.FactsPath), maxFile)
	if err != nil {
		return nil, fmt.Errorf("reading the node's facts: %w", err)
	}
	if _, err := identity.ParseFacts(data); err != nil {
		return nil, fmt.Errorf("reading %s: %w", identity.FactsPath, err)
	}
	var n Node
	if err := json.Unmarshal(data, &n); err != nil {
		return nil, fmt.Errorf("reading %s: it is JSON with values of other types than it should have", identity.FactsPath)
	}
	if len(n.API.Controllers) == 0 || n.API.LocalURL == "" {
		return nil, fmt.Errorf("reading %s: %w", identity.FactsPath, errors.New("api.controllers and api.localURL must be there"))
	}
	return &n, nil
}

// Has reports whether the node has a role.
func (n *Node) Has(role string) bool { return slices.Contains(n.Roles, role) }

// Controller reports whether the node runs the control plane: spares with the
// role do, too.
func (n *Node) Controller() bool { return n.Has("controller") }

// Address is the node's primary address in the mesh.
func (n *Node) Address() netip.Addr { return n.Mesh.Addresses[0] }

// Own is the address of the node's own kube-apiserver, as host:port.
func (n *Node) Own() string {
	return net.JoinHostPort(n.Address().String(), strconv.Itoa(n.API.Port))
}

// Rank is the place of a controller among the cluster's, from 0. Others have
// the place after the last.
func (n *Node) Rank() int {
	if i := slices.Index(n.API.Controllers, n.Own()); i >= 0 {
		return i
	}
	return len(n.API.Controllers)
}
