package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/cluster"
)

// maxUserData is the most that a Droplet takes, in bytes (DigitalOcean,
// "Droplet Limits": 64 KiB).
const maxUserData = 64 << 10

// machine is a Droplet as it should be.
type machine struct {
	node         *cluster.Node
	name         string // full DNS name, from which the platform makes the reverse one
	region, size string
	data         []byte
	reserved     string // IP address of the node, which the account must have
}

// settings are the definition's; never nil.
func (r *run) settings() *cluster.DigitalOcean {
	if d := r.Cluster.Def.Publish.DigitalOcean; d != nil {
		return d
	}
	return &cluster.DigitalOcean{}
}

// check looks for what would go wrong later, before anything is made.
func (r *run) check(ctx context.Context) ([]machine, error) {
	if len(r.Regions) == 0 {
		return nil, noRegion()
	}
	all, err := pages("listing regions", func(o *godo.ListOptions) ([]godo.Region, *godo.Response, error) {
		return r.api.Regions.List(ctx, o)
	})
	if err != nil {
		return nil, err
	}
	known := map[string]godo.Region{}
	var open []string
	for _, region := range all {
		known[region.Slug] = region
		if region.Available {
			open = append(open, region.Slug)
		}
	}
	slices.Sort(open)
	for _, slug := range r.Regions {
		if !known[slug].Available {
			return nil, advise(fmt.Errorf("the region %q is not open", slug), "regions that are: %s", strings.Join(open, ", "))
		}
	}
	if !r.Droplets && !r.Snapshot {
		return nil, nil
	}
	return r.plan(ctx, known)
}

func noRegion() error {
	return advise(errors.New("no region is given"), "name one by --region, or in the definition under publish.digitalocean.regions")
}

// plan says what Droplets there should be.
func (r *run) plan(ctx context.Context, known map[string]godo.Region) ([]machine, error) {
	var out []machine
	var problems []error
	for _, n := range r.wanted() {
		m := r.machine(n)
		if err := r.complete(&m, known); err != nil {
			problems = append(problems, fmt.Errorf("node %q: %w", n.Name, err))
		}
		out = append(out, m)
	}
	if r.Snapshot && r.settings().Size == "" {
		problems = append(problems, errors.New("no size is given for the Droplet of which the snapshot is made: publish.digitalocean.size"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return out, r.checkAddresses(ctx, out)
}

// wanted are the nodes that are Droplets, in the order of the definition.
func (r *run) wanted() []*cluster.Node {
	if !r.Droplets {
		return nil
	}
	var out []*cluster.Node
	for i := range r.Cluster.Nodes {
		n := &r.Cluster.Nodes[i]
		if len(r.Nodes) == 0 && r.settings().Has(n) || slices.Contains(r.Nodes, n.Name) {
			out = append(out, n)
		}
	}
	return out
}

// machine is what the definition says of a node's Droplet.
func (r *run) machine(n *cluster.Node) machine {
	m := machine{node: n, name: r.Cluster.FQDN(n), region: r.settings().Region(n, r.Regions), size: r.settings().SizeOf(n)}
	if a, err := netip.ParseAddr(n.Spec.Address); err == nil {
		m.reserved = a.String()
	}
	return m
}

// defined reports what the definition does not say.
func (r *run) defined(m machine) error {
	if !slices.Contains(r.Regions, m.region) {
		return fmt.Errorf("its region %q is not one of those of the image (%s)", m.region, strings.Join(r.Regions, ", "))
	}
	if m.size == "" {
		return errors.New("no size is given: publish.digitalocean.size or sizes")
	}
	return nil
}

func (r *run) complete(m *machine, known map[string]godo.Region) error {
	if err := r.defined(*m); err != nil {
		return err
	}
	if !slices.Contains(known[m.region].Sizes, m.size) {
		return fmt.Errorf("the region %q has no size %q", m.region, m.size)
	}
	data, err := r.UserData(m.node.Name)
	if err != nil {
		return err
	}
	if len(data) == 0 || len(data) > maxUserData {
		return fmt.Errorf("its user data have %d bytes; want 1 to %d", len(data), maxUserData)
	}
	m.data = data
	return nil
}

// checkAddresses looks whether the account has the addresses of the nodes, and
// whether other machines have them.
func (r *run) checkAddresses(ctx context.Context, plan []machine) error {
	var problems []error
	for _, m := range plan {
		if m.reserved == "" {
			continue
		}
		got, _, err := r.api.ReservedIPs.Get(ctx, m.reserved)
		switch {
		case notFound(err):
			problems = append(problems, fmt.Errorf("node %q: its address %s is not a reserved IP of this account", m.node.Name, m.reserved))
		case err != nil:
			return fail("looking at the reserved IP "+m.reserved, err)
		case got.Region != nil && got.Region.Slug != m.region:
			problems = append(problems, fmt.Errorf("node %q: its address %s is reserved in %s, the node is in %s", m.node.Name, m.reserved, got.Region.Slug, m.region))
		case got.Droplet != nil && !r.ours(got.Droplet.Tags):
			problems = append(problems, fmt.Errorf("node %q: its address %s belongs to the Droplet %q, which is not of this cluster", m.node.Name, m.reserved, got.Droplet.Name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return advise(err, "an address of a node is a reserved IP that was taken before, or a DNS name; or leave it out, and the node dials the others")
	}
	return nil
}
