package cluster

import "slices"

// Publish says where the image and the machines are brought: a section for each
// destination. It is no part of what an image is made of.
type Publish struct {
	DigitalOcean *DigitalOcean   `yaml:"digitalocean,omitempty" jsonschema_description:"What ingot publish digitalocean makes. Flags go before it."`
	VSphere      *PublishVSphere `yaml:"vsphere,omitempty" jsonschema_description:"What ingot publish vsphere makes, on a vCenter or on a single ESXi host."`
}

// DigitalOcean says what "ingot publish digitalocean" makes.
type DigitalOcean struct {
	Regions   []string          `yaml:"regions,omitempty" jsonschema_description:"Regions by their slugs, such as fra1. The image is imported in the first and brought to the others."`
	Bucket    string            `yaml:"bucket,omitempty" jsonschema_description:"Bucket of Spaces, or of another S3 service, from which the image is imported."`
	Endpoint  string            `yaml:"endpoint,omitempty" jsonschema_description:"Address of the S3 service. Default: Spaces in the first region."`
	Nodes     []string          `yaml:"nodes,omitempty" jsonschema_description:"Nodes that are Droplets. Default: all but the spares."`
	Size      string            `yaml:"size,omitempty" jsonschema_description:"Size of the Droplets by its slug, such as s-2vcpu-4gb."`
	Sizes     map[string]string `yaml:"sizes,omitempty" jsonschema_description:"Size by node, where it is another."`
	Placement map[string]string `yaml:"placement,omitempty" jsonschema_description:"Region by node. Default: the node's zone where that is one of the regions, else the first."`
	VPCRanges map[string]string `yaml:"vpcRanges,omitempty" jsonschema_description:"Addresses of the private network, one CIDR by region. Default: what the platform chooses."`
	EdgePorts []int             `yaml:"edgePorts,omitempty" jsonschema_description:"TCP ports that the firewall opens to edges. Default: 80 and 443."`
	SSHFrom   []string          `yaml:"sshFrom,omitempty" jsonschema_description:"Addresses from which the firewall lets SSH in, as CIDRs. Default: everywhere."`
	DNSZone   string            `yaml:"dnsZone,omitempty" jsonschema_description:"Domain at DigitalOcean that holds the names of the nodes, the API and the edges. Default: no names are made."`
}

// Region is where a node's Droplet is, of those that are given.
func (d *DigitalOcean) Region(n *Node, regions []string) string {
	if r := d.Placement[n.Name]; r != "" {
		return r
	}
	if slices.Contains(regions, n.Spec.Zone) {
		return n.Spec.Zone
	}
	return regions[0]
}

// SizeOf is the size of a node's Droplet; empty where none is given.
func (d *DigitalOcean) SizeOf(n *Node) string {
	if s := d.Sizes[n.Name]; s != "" {
		return s
	}
	return d.Size
}

// Has reports whether a node is a Droplet.
func (d *DigitalOcean) Has(n *Node) bool {
	return len(d.Nodes) == 0 && !n.Spare || slices.Contains(d.Nodes, n.Name)
}
