package digitalocean

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/cluster"
)

// Layout is all that [Destination.Publish] makes around the image, as data for
// another tool that makes it. Its JSON keys are the variables of
// deploy/terraform/digitalocean. There is no secret in it.
type Layout struct {
	Cluster    string                    `json:"cluster"`
	ClusterTag string                    `json:"cluster_tag"` // the image has it, and every Droplet gets it
	DataTag    string                    `json:"data_tag"`    // before the first 12 digits of the user data's SHA-256
	Image      string                    `json:"image"`       // name
	Nodes      map[string]DropletLayout  `json:"nodes"`       // by name
	VPCs       map[string]VPCLayout      `json:"vpcs"`        // by region
	Firewalls  map[string]FirewallLayout `json:"firewalls"`   // by name
	SSHKeys    map[string]KeyLayout      `json:"ssh_keys"`    // by name
	DNSZone    *string                   `json:"dns_zone"`    // null where no names are made
	Records    []RecordLayout            `json:"records"`
}

// DropletLayout is the Droplet of a node.
type DropletLayout struct {
	Name       string   `json:"name"` // full DNS name
	Region     string   `json:"region"`
	Size       string   `json:"size"`
	Tags       []string `json:"tags"`
	ReservedIP *string  `json:"reserved_ip"`
	UserData   string   `json:"user_data"` // path of the file
}

// VPCLayout is the private network of a region.
type VPCLayout struct {
	Name        string  `json:"name"`
	Description string  `json:"description"`
	IPRange     *string `json:"ip_range"` // null: the platform chooses
}

// FirewallLayout says what is let in to the Droplets of a tag. All is let out.
type FirewallLayout struct {
	Tag     string       `json:"tag"`
	Inbound []RuleLayout `json:"inbound"`
}

// RuleLayout opens a port.
type RuleLayout struct {
	Protocol string   `json:"protocol"`
	Port     string   `json:"port"`
	Sources  []string `json:"sources"`
}

// KeyLayout is an SSH key of the account.
type KeyLayout struct {
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"` // MD5, by which the API knows it
}

// RecordLayout is a record of the zone. Its value is given, or it is the
// address of a node's Droplet.
type RecordLayout struct {
	Type  string  `json:"type"`
	Name  string  `json:"name"` // as the zone has it
	Node  *string `json:"node"`
	Value *string `json:"value"`
}

// NewLayout gives the layout of a cluster with an image of an id. Where a
// node's user data are, userData says.
func NewLayout(c *cluster.Cluster, image string, userData func(node string) string) (*Layout, error) {
	r := &run{Config: Config{Cluster: c, Image: Image{ID: image}, Droplets: true}}
	r.Regions = r.settings().Regions
	if len(r.Regions) == 0 {
		return nil, noRegion()
	}
	l := &Layout{
		Cluster: c.Def.Name, ClusterTag: r.clusterTag(), DataTag: tagData, Image: r.imageName(),
		Nodes: map[string]DropletLayout{}, VPCs: map[string]VPCLayout{}, Firewalls: map[string]FirewallLayout{}, SSHKeys: map[string]KeyLayout{},
		Records: []RecordLayout{},
	}
	if err := r.layNodes(l, userData); err != nil {
		return nil, err
	}
	for _, f := range r.firewallRequests() {
		l.Firewalls[f.Name] = FirewallLayout{Tag: f.Tags[0], Inbound: rules(f.InboundRules)}
	}
	for i, text := range c.Def.Access.SSHKeys {
		print, err := fingerprint(text)
		if err != nil {
			return nil, fmt.Errorf("reading access.sshKeys[%d]: %w", i, err)
		}
		l.SSHKeys[r.keyName(i)] = KeyLayout{PublicKey: strings.TrimSpace(text), Fingerprint: print}
	}
	if zone := r.settings().DNSZone; zone != "" {
		l.DNSZone, l.Records = &zone, r.layRecords(l.Nodes)
	}
	return l, nil
}

// layNodes lays out the Droplets, and the networks that they are in.
func (r *run) layNodes(l *Layout, userData func(string) string) error {
	var problems []error
	for _, n := range r.wanted() {
		m := r.machine(n)
		if err := r.defined(m); err != nil {
			problems = append(problems, fmt.Errorf("node %q: %w", n.Name, err))
		}
		l.Nodes[n.Name] = DropletLayout{
			Name: m.name, Region: m.region, Size: m.size, Tags: r.nodeTags(m), ReservedIP: given(m.reserved), UserData: userData(n.Name),
		}
		l.VPCs[m.region] = VPCLayout{Name: r.vpcName(m.region), Description: r.marker(), IPRange: given(r.settings().VPCRanges[m.region])}
	}
	return errors.Join(problems...)
}

// given is nil for a text that is empty.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func rules(in []godo.InboundRule) []RuleLayout {
	var out []RuleLayout
	for _, r := range in {
		out = append(out, RuleLayout{Protocol: r.Protocol, Port: r.PortRange, Sources: r.Sources.Addresses})
	}
	return out
}

// layRecords are the names, with the one that says whose they are.
func (r *run) layRecords(nodes map[string]DropletLayout) []RecordLayout {
	marker, data := r.markerRecord()
	out := []RecordLayout{{Type: "TXT", Name: marker, Value: &data}}
	// Addresses that are not known yet are written as the names of nodes, which
	// are no addresses.
	addresses := map[string]string{}
	for name, d := range nodes {
		addresses[name] = name
		if d.ReservedIP != nil {
			addresses[name] = *d.ReservedIP
		}
	}
	names := r.namesOf(addresses)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for _, a := range slices.Compact(slices.Sorted(slices.Values(names[name]))) {
			record := RecordLayout{Type: recordType(a), Name: name, Value: given(a)}
			if _, unknown := nodes[a]; unknown {
				record.Node, record.Value = record.Value, nil
			}
			out = append(out, record)
		}
	}
	return out
}
