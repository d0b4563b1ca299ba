package inventory

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Derived is everything that follows from a definition, as JSON. Keys are only
// ever added.
type Derived struct {
	List
	Kubernetes       string         `json:"kubernetes"` // version
	MeshCIDRs        []netip.Prefix `json:"meshCIDRs"`
	PodCIDRs         []netip.Prefix `json:"podCIDRs"`
	ServiceCIDRs     []netip.Prefix `json:"serviceCIDRs"`
	ServiceAddresses []netip.Addr   `json:"serviceAddresses"` // of the Service kubernetes.default
	DNSAddresses     []netip.Addr   `json:"dnsAddresses"`     // answered on every node by itself
	ClusterDomain    string         `json:"clusterDomain"`
	API              API            `json:"api"`
	Etcd             []EtcdMember   `json:"etcd"`
	EtcdCluster      string         `json:"etcdInitialCluster"` // etcd's --initial-cluster
	Dialable         []string       `json:"dialable"`           // nodes that others connect to
	Bastion          string         `json:"bastion,omitempty"`  // through which nodes without an address are reached
}

// API says where the Kubernetes API is.
type API struct {
	VIP      netip.Addr `json:"vip"`      // virtual address in the mesh
	VIPURL   string     `json:"vipURL"`   // for clients in the mesh
	LocalURL string     `json:"localURL"` // for the components of a node: the balancer on loopback
	URL      string     `json:"url"`      // for clients outside
	Names    []string   `json:"names"`
}

// EtcdMember is the etcd of one controller.
type EtcdMember struct {
	Node      string `json:"node"`
	PeerURL   string `json:"peerURL"`
	ClientURL string `json:"clientURL"`
}

// NewDerived takes the derived values from a cluster.
func NewDerived(c *cluster.Cluster) Derived {
	d := Derived{
		List: NewList(c), Kubernetes: c.Def.Kubernetes.Version,
		MeshCIDRs: c.MeshCIDRs, PodCIDRs: c.PodCIDRs, ServiceCIDRs: c.ServiceCIDRs,
		ServiceAddresses: c.ServiceIPs, DNSAddresses: c.DNSIPs, ClusterDomain: c.Def.Kubernetes.ClusterDomain,
		API: API{
			VIP: c.VIP, VIPURL: "https://" + net.JoinHostPort(c.VIP.String(), strconv.Itoa(c.Def.API.Port)),
			LocalURL: c.LocalAPIURL(), URL: c.ExternalAPIURL(), Names: apiNames(c),
		},
		EtcdCluster: c.EtcdInitialCluster(), Dialable: []string{},
	}
	for _, n := range c.WithRole(cluster.Controller) {
		d.Etcd = append(d.Etcd, EtcdMember{Node: n.Name, PeerURL: c.EtcdPeerURL(n), ClientURL: c.EtcdClientURL(n)})
	}
	for _, n := range c.DialableNodes() {
		d.Dialable = append(d.Dialable, n.Name)
	}
	if b := Bastion(c); b != nil {
		d.Bastion = b.Name
	}
	return d
}

// Show writes everything that is derived from a definition: as text for
// people, or as the JSON of [Derived].
func Show(w io.Writer, c *cluster.Cluster, asJSON bool) error {
	var b bytes.Buffer
	write := showText
	if asJSON {
		write = func(b *bytes.Buffer, d Derived, _ *cluster.Cluster) error { return writeJSON(b, d) }
	}
	if err := write(&b, NewDerived(c), c); err != nil {
		return fmt.Errorf("rendering cluster: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing cluster: %w", err)
	}
	return nil
}

func showText(b *bytes.Buffer, d Derived, c *cluster.Cluster) error {
	rows := [][]string{
		{"cluster", d.Cluster},
		{"domain", d.Domain},
		{"kubernetes", d.Kubernetes},
		{"mesh", joined(d.MeshCIDRs)},
		{"pods", joined(d.PodCIDRs)},
		{"services", joined(d.ServiceCIDRs)},
		{"service address", joined(d.ServiceAddresses)},
		{"dns address", joined(d.DNSAddresses)},
		{"cluster domain", d.ClusterDomain},
		{"api address", d.API.VIP.String()},
		{"api in the mesh", d.API.VIPURL},
		{"api on a node", d.API.LocalURL},
		{"api outside", d.API.URL},
		{"api names", strings.Join(d.API.Names, ",")},
		{"dialable", strings.Join(d.Dialable, ",")},
		{"bastion", d.Bastion},
	}
	if err := columns(b, "", rows); err != nil {
		return err
	}
	b.WriteString("\n")
	if err := table(b, c); err != nil {
		return err
	}
	b.WriteString("\n")
	rows = [][]string{{"ETCD", "PEERS", "CLIENTS"}}
	for _, m := range d.Etcd {
		rows = append(rows, []string{m.Node, m.PeerURL, m.ClientURL})
	}
	return columns(b, "", rows)
}
