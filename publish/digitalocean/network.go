package digitalocean

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
	"golang.org/x/crypto/ssh"
)

// tag makes sure that the account has a tag: a firewall cannot name one that it
// has not. Making one twice is like once.
func (r *run) tag(ctx context.Context, name string) error {
	if r.tags[name] {
		return nil
	}
	_, _, err := ensure(ctx, r, fmt.Sprintf("creating the tag %q", name), struct{}{},
		func() (struct{}, bool, error) {
			_, _, err := r.api.Tags.Get(ctx, name)
			if err != nil && !notFound(err) {
				return struct{}{}, false, fail("looking for the tag "+name, err)
			}
			return struct{}{}, err == nil, nil
		},
		func() (struct{}, *godo.Response, error) {
			_, response, err := r.api.Tags.Create(ctx, &godo.TagCreateRequest{Name: name})
			return struct{}{}, response, err
		})
	r.knowTags(name)
	return err
}

// knowTags notes tags that something has, which the platform makes by itself.
func (r *run) knowTags(names ...string) {
	for _, name := range names {
		r.tags[name] = true
	}
}

// vpcName is that of the private network of a region.
func (r *run) vpcName(region string) string { return "ingot-" + r.Cluster.Def.Name + "-" + region }

func (r *run) vpcs(ctx context.Context) ([]*godo.VPC, error) {
	all, err := pages("listing VPCs", func(o *godo.ListOptions) ([]*godo.VPC, *godo.Response, error) { return r.api.VPCs.List(ctx, o) })
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v *godo.VPC) bool { return v.Description != r.marker() }), nil
}

// vpc makes sure that a region has the cluster's private network.
func (r *run) vpc(ctx context.Context, region string) (string, error) {
	name := r.vpcName(region)
	would := &godo.VPC{ID: planned, Name: name, RegionSlug: region}
	v, made, err := ensure(ctx, r, fmt.Sprintf("creating the VPC %q", name), would,
		func() (*godo.VPC, bool, error) {
			all, err := r.vpcs(ctx)
			for _, v := range all {
				if v.Name == name && v.RegionSlug == region {
					return v, true, nil
				}
			}
			return nil, false, err
		},
		func() (*godo.VPC, *godo.Response, error) {
			return r.api.VPCs.Create(ctx, &godo.VPCCreateRequest{
				Name: name, RegionSlug: region, Description: r.marker(), IPRange: r.settings().VPCRanges[region],
			})
		})
	if err != nil {
		return "", err
	}
	if err := r.checkRange(ctx, v, made); err != nil {
		return "", err
	}
	r.add("vpc", name, v.ID, region, stateOf(made), v.IPRange)
	return v.ID, nil
}

// checkRange looks whether a private network has addresses of the cluster.
func (r *run) checkRange(ctx context.Context, v *godo.VPC, made bool) error {
	p, err := netip.ParsePrefix(v.IPRange)
	if err != nil {
		return nil //nolint:nilerr // of a dry run, or none: nothing to compare
	}
	for _, q := range slices.Concat(r.Cluster.MeshCIDRs, r.Cluster.PodCIDRs, r.Cluster.ServiceCIDRs) {
		if !p.Overlaps(q) {
			continue
		}
		if made { // just now, and empty
			response, err := r.api.VPCs.Delete(ctx, v.ID)
			if err := gone("removing the VPC "+v.Name, response, err); err != nil {
				return err
			}
		}
		return advise(fmt.Errorf("the VPC %q has the addresses %s, of which the cluster uses some (%s)", v.Name, p, q),
			"name a range for it in the definition: publish.digitalocean.vpcRanges: {%s: 192.168.16.0/20}", v.RegionSlug)
	}
	return nil
}

func stateOf(made bool) publish.State {
	if made {
		return publish.Created
	}
	return publish.Kept
}

// firewallName and edgeFirewallName are those of the cluster's firewalls, for all
// Droplets, for controllers and for edges.
func (r *run) firewallName(part string) string {
	return strings.TrimSuffix("ingot-"+r.Cluster.Def.Name+"-"+part, "-")
}

// allPorts is how the API writes them, also for ICMP, which has none
// (DigitalOcean API, "Create a New Firewall").
const allPorts = "0"

// everywhere is the Internet, by both families.
var everywhere = []string{"0.0.0.0/0", "::/0"}

// firewalls are those that the cluster's machines should have.
func (r *run) firewallRequests() []*godo.FirewallRequest {
	def := &r.Cluster.Def
	mesh := strconv.Itoa(def.Mesh.Port)
	base := []godo.InboundRule{inbound("tcp", mesh, everywhere), inbound("udp", mesh, everywhere)}
	if len(def.Access.SSHKeys) > 0 {
		from := r.settings().SSHFrom
		if len(from) == 0 {
			from = everywhere
		}
		base = append(base, inbound("tcp", "22", from))
	}
	out := []*godo.FirewallRequest{r.firewallRequest("", r.clusterTag(), base)}
	if def.API.Public {
		out = append(out, r.firewallRequest("api", r.roleTag(cluster.Controller), []godo.InboundRule{inbound("tcp", strconv.Itoa(def.API.Port), everywhere)}))
	}
	if len(r.Cluster.WithRole(cluster.Edge)) > 0 {
		ports := r.settings().EdgePorts
		if len(ports) == 0 {
			ports = []int{80, 443}
		}
		var rules []godo.InboundRule
		for _, port := range ports {
			rules = append(rules, inbound("tcp", strconv.Itoa(port), everywhere))
		}
		out = append(out, r.firewallRequest("edge", r.roleTag(cluster.Edge), rules))
	}
	return out
}

func inbound(protocol, port string, from []string) godo.InboundRule {
	return godo.InboundRule{Protocol: protocol, PortRange: port, Sources: &godo.Sources{Addresses: from}}
}

// firewallRequest is a firewall that lets everything out: who must not talk to
// whom inside the cluster is for network policies.
func (r *run) firewallRequest(part, tag string, in []godo.InboundRule) *godo.FirewallRequest {
	all := &godo.Destinations{Addresses: everywhere}
	return &godo.FirewallRequest{Name: r.firewallName(part), InboundRules: in, Tags: []string{tag}, DropletIDs: []int{}, OutboundRules: []godo.OutboundRule{
		{Protocol: "tcp", PortRange: allPorts, Destinations: all}, {Protocol: "udp", PortRange: allPorts, Destinations: all},
		{Protocol: "icmp", PortRange: allPorts, Destinations: all},
	}}
}

// firewalls lists those of the cluster, which are known by name and tag.
func (r *run) firewalls(ctx context.Context) ([]godo.Firewall, error) {
	all, err := pages("listing firewalls", func(o *godo.ListOptions) ([]godo.Firewall, *godo.Response, error) {
		return r.api.Firewalls.List(ctx, o)
	})
	if err != nil {
		return nil, err
	}
	mine := map[string]string{
		r.firewallName(""): r.clusterTag(), r.firewallName("api"): r.roleTag(cluster.Controller), r.firewallName("edge"): r.roleTag(cluster.Edge),
	}
	return slices.DeleteFunc(all, func(f godo.Firewall) bool { return mine[f.Name] == "" || !has(f.Tags, mine[f.Name]) }), nil
}

// firewall makes sure that a firewall is there as it should be.
func (r *run) firewall(ctx context.Context, want *godo.FirewallRequest) error {
	if err := r.tag(ctx, want.Tags[0]); err != nil {
		return err
	}
	would := &godo.Firewall{ID: planned, Name: want.Name, InboundRules: want.InboundRules, OutboundRules: want.OutboundRules, Tags: want.Tags}
	f, made, err := ensure(ctx, r, fmt.Sprintf("creating the firewall %q", want.Name), would,
		func() (*godo.Firewall, bool, error) {
			all, err := r.firewalls(ctx)
			for i := range all {
				if all[i].Name == want.Name {
					return &all[i], true, nil
				}
			}
			return nil, false, err
		},
		func() (*godo.Firewall, *godo.Response, error) { return r.api.Firewalls.Create(ctx, want) })
	if err != nil {
		return err
	}
	state := stateOf(made)
	if !sameRules(f.InboundRules, want.InboundRules) {
		state = publish.Changed
		_, response, err := r.api.Firewalls.Update(ctx, f.ID, want)
		if err := change(fmt.Sprintf("changing the firewall %q", want.Name), response, err); err != nil {
			return err
		}
	}
	r.add("firewall", want.Name, f.ID, "", state, "open: "+openPorts(want))
	return nil
}

// sameRules compares without order.
func sameRules(a, b []godo.InboundRule) bool { return reflect.DeepEqual(ruleTexts(a), ruleTexts(b)) }

func ruleTexts(rules []godo.InboundRule) []string {
	out := make([]string, 0, len(rules))
	for _, rule := range rules {
		var from []string
		if rule.Sources != nil {
			from = slices.Sorted(slices.Values(rule.Sources.Addresses))
		}
		out = append(out, rule.PortRange+"/"+rule.Protocol+" "+strings.Join(from, ","))
	}
	slices.Sort(out)
	return out
}

func openPorts(f *godo.FirewallRequest) string {
	var out []string
	for _, rule := range f.InboundRules {
		out = append(out, rule.PortRange+"/"+rule.Protocol)
	}
	return strings.Join(out, ", ")
}

// accountKeys makes sure that the account has the definition's keys: the API wants
// one for machines of an image of one's own, though it does not install it.
func (r *run) accountKeys(ctx context.Context) ([]godo.DropletCreateSSHKey, error) {
	if r.sshKeys != nil {
		return r.sshKeys, nil
	}
	out := []godo.DropletCreateSSHKey{}
	for i, text := range r.Cluster.Def.Access.SSHKeys {
		print, err := fingerprint(text)
		if err != nil {
			return nil, fmt.Errorf("reading access.sshKeys[%d]: %w", i, err)
		}
		name := r.keyName(i)
		got, made, err := ensure(ctx, r, fmt.Sprintf("adding the SSH key %q", name), &godo.Key{ID: plannedID, Name: name},
			func() (*godo.Key, bool, error) {
				k, _, err := r.api.Keys.GetByFingerprint(ctx, print)
				if err != nil && !notFound(err) {
					return nil, false, fail("looking for the SSH key "+print, err)
				}
				return k, err == nil, nil
			},
			func() (*godo.Key, *godo.Response, error) {
				return r.api.Keys.Create(ctx, &godo.KeyCreateRequest{Name: name, PublicKey: strings.TrimSpace(text)})
			})
		if err != nil {
			return nil, err
		}
		out = append(out, godo.DropletCreateSSHKey{Fingerprint: print})
		r.add("ssh key", got.Name, got.ID, "", stateOf(made), "")
	}
	r.sshKeys = out
	return out, nil
}

// fingerprint is the form by which the API knows keys.
func fingerprint(text string) (string, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", err
	}
	return ssh.FingerprintLegacyMD5(key), nil
}

func (r *run) keyName(i int) string { return fmt.Sprintf("ingot-%s-%d", r.Cluster.Def.Name, i) }
