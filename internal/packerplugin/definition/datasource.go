//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config,Output,Node

package definition

import (
	"bytes"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/hcl2helper"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/cluster/inventory"
	"github.com/zclconf/go-cty/cty"
)

// Config is what a template says of the data source.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// Folder of a cluster definition, or its file.
	Cluster string `mapstructure:"cluster" required:"true"`
}

// Output is what follows from a definition.
type Output struct {
	// Name of the cluster.
	Name string `mapstructure:"name"`
	// DNS domain of the nodes.
	Domain string `mapstructure:"domain"`
	// Version of Kubernetes.
	Kubernetes string `mapstructure:"kubernetes"`
	// Release of Debian.
	Debian int `mapstructure:"debian"`
	// Where images run: qemu, esxi, metal, digitalocean.
	Targets []string `mapstructure:"targets"`
	// Ranges of the mesh, of pods and of services, the primary family first.
	MeshCIDRs    []string `mapstructure:"mesh_cidrs"`
	PodCIDRs     []string `mapstructure:"pod_cidrs"`
	ServiceCIDRs []string `mapstructure:"service_cidrs"`
	// Addresses at which cluster DNS answers.
	DNSAddresses []string `mapstructure:"dns_addresses"`
	// Virtual address of the API in the mesh.
	VIP string `mapstructure:"api_vip"`
	// URL of the API for clients outside.
	API string `mapstructure:"api_url"`
	// Nodes, then spares.
	Nodes []Node `mapstructure:"nodes"`
	// The same for programs, as "ingot show --json" prints it.
	JSON string `mapstructure:"json"`
}

// Node is a node or a spare slot.
type Node struct {
	Name string `mapstructure:"name"`
	// Full DNS name.
	FQDN string `mapstructure:"fqdn"`
	// controller, worker, edge.
	Roles []string `mapstructure:"roles"`
	Zone  string   `mapstructure:"zone"`
	// From 1, for the life of the cluster.
	Index int `mapstructure:"index"`
	// Where others dial it; empty behind NAT.
	Address       string            `mapstructure:"address"`
	MeshAddresses []string          `mapstructure:"mesh_addresses"`
	PodCIDRs      []string          `mapstructure:"pod_cidrs"`
	Spare         bool              `mapstructure:"spare"`
	Labels        map[string]string `mapstructure:"labels"`
}

// Source is the data source ingot-cluster.
type Source struct {
	config  Config
	cluster *cluster.Cluster
}

var _ packersdk.Datasource = (*Source)(nil)

// ConfigSpec implements packersdk.HCL2Speccer.
func (s *Source) ConfigSpec() hcldec.ObjectSpec { return s.config.FlatMapstructure().HCL2Spec() }

// OutputSpec implements packersdk.Datasource.
func (s *Source) OutputSpec() hcldec.ObjectSpec { return new(Output).FlatMapstructure().HCL2Spec() }

// Configure implements packersdk.Datasource.
func (s *Source) Configure(raw ...any) error {
	if err := config.Decode(&s.config, nil, raw...); err != nil {
		return err
	}
	var err error
	s.cluster, _, err = Load(s.config.Cluster)
	return err
}

// Execute implements packersdk.Datasource.
func (s *Source) Execute() (cty.Value, error) {
	out, err := outputOf(s.cluster)
	if err != nil {
		return cty.NilVal, err
	}
	return hcl2helper.HCL2ValueFromConfig(out, s.OutputSpec()), nil
}

// outputOf takes the values from a cluster.
func outputOf(c *cluster.Cluster) (*Output, error) {
	var text bytes.Buffer
	if err := inventory.Show(&text, c, true); err != nil {
		return nil, err
	}
	d := inventory.NewDerived(c)
	out := &Output{
		Name: d.Cluster, Domain: d.Domain, Kubernetes: d.Kubernetes, Debian: c.Def.Image.Debian, Targets: c.Def.Image.Targets,
		MeshCIDRs: words(d.MeshCIDRs), PodCIDRs: words(d.PodCIDRs), ServiceCIDRs: words(d.ServiceCIDRs),
		DNSAddresses: words(d.DNSAddresses), VIP: d.API.VIP.String(), API: d.API.URL, JSON: text.String(),
	}
	for _, n := range d.Nodes {
		var roles []string
		for _, r := range n.Roles {
			roles = append(roles, string(r))
		}
		out.Nodes = append(out.Nodes, Node{
			Name: n.Name, FQDN: n.FQDN, Roles: roles, Zone: n.Zone, Index: n.Index, Address: n.Address,
			MeshAddresses: words(n.MeshAddresses), PodCIDRs: words(n.PodCIDRs), Spare: n.Spare, Labels: n.Labels,
		})
	}
	return out, nil
}

// words writes each of a list.
func words[T interface{ String() string }](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}
