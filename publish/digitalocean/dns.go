package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
)

// ttl of the names, in seconds: a Droplet that is made anew has another address.
const ttl = 300

// records lists those of the zone.
func (r *run) records(ctx context.Context) ([]godo.DomainRecord, error) {
	zone := r.settings().DNSZone
	all, err := pages("listing the names of "+zone, func(o *godo.ListOptions) ([]godo.DomainRecord, *godo.Response, error) {
		return r.api.Domains.Records(ctx, zone, o)
	})
	if notFound(err) {
		return nil, advise(fmt.Errorf("the account has no domain %q", zone), "add it in the control panel under Networking, and have its registrar name DigitalOcean's servers")
	}
	return all, err
}

// relative is a name as the zone has it.
func (r *run) relative(name string) string {
	zone := r.settings().DNSZone
	if name == zone {
		return "@"
	}
	return strings.TrimSuffix(name, "."+zone)
}

// markerRecord says that the names below the cluster's domain are made by us:
// records have no tags.
func (r *run) markerRecord() (name, data string) {
	return r.relative("_ingot." + r.Cluster.Def.Domain), "cluster=" + r.Cluster.Def.Name
}

func (r *run) hasMarker(all []godo.DomainRecord) bool {
	name, data := r.markerRecord()
	return slices.ContainsFunc(all, func(d godo.DomainRecord) bool {
		return d.Type == "TXT" && d.Name == name && strings.Trim(d.Data, `"`) == data
	})
}

// namesOf says which addresses each name should have: every node its own, the
// API's names those of the controllers, or the virtual one where it is not
// public; edge and the wildcard those of the edges, or the one that moves.
func (r *run) namesOf(addresses map[string]string) map[string][]string {
	out := map[string][]string{}
	add := func(name, address string) {
		if address != "" && (name == r.settings().DNSZone || strings.HasSuffix(name, "."+r.settings().DNSZone)) {
			out[r.relative(name)] = append(out[r.relative(name)], address)
		}
	}
	def := &r.Cluster.Def
	for i := range r.Cluster.Nodes {
		n := &r.Cluster.Nodes[i]
		add(r.Cluster.FQDN(n), addresses[n.Name])
	}
	for _, name := range def.API.Names {
		if !def.API.Public {
			add(name, r.Cluster.VIP.String())
			continue
		}
		for _, n := range r.Cluster.WithRole(cluster.Controller) {
			add(name, addresses[n.Name])
		}
	}
	for _, name := range []string{"edge." + def.Domain, "*." + def.Domain} {
		if def.Edge.FloatingAddress != "" {
			add(name, def.Edge.FloatingAddress)
			continue
		}
		for _, n := range r.Cluster.WithRole(cluster.Edge) {
			add(name, addresses[n.Name])
		}
	}
	return out
}

// recordType is A or AAAA.
func recordType(address string) string {
	if a, err := netip.ParseAddr(address); err == nil && a.Is6() {
		return "AAAA"
	}
	return "A"
}

func isAddress(d godo.DomainRecord) bool { return d.Type == "A" || d.Type == "AAAA" }

// names makes sure that the zone has the names. It goes over all nodes, those
// that this run has not looked at, too.
func (r *run) names(ctx context.Context, addresses map[string]string) error {
	if err := r.otherAddresses(ctx, addresses); err != nil {
		return err
	}
	all, err := r.records(ctx)
	if err != nil {
		return err
	}
	want := r.namesOf(addresses)
	if err := r.checkNames(all, want); err != nil {
		return err
	}
	marker, data := r.markerRecord()
	if _, err := r.record(ctx, "TXT", marker, data); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if err := r.name(ctx, all, name, want[name]); err != nil {
			return err
		}
	}
	return nil
}

// otherAddresses finds the addresses of the nodes that are not known yet.
func (r *run) otherAddresses(ctx context.Context, addresses map[string]string) error {
	all, err := r.droplets(ctx, r.clusterTag())
	if err != nil {
		return err
	}
	for _, d := range all {
		name := value(d.Tags, tagNode)
		n, ok := r.Cluster.Node(name)
		if !ok || addresses[name] != "" || !r.ours(d.Tags) {
			continue
		}
		if a, err := netip.ParseAddr(n.Spec.Address); err == nil {
			addresses[name] = a.String()
			continue
		}
		if addresses[name], err = d.PublicIPv4(); err != nil {
			return fmt.Errorf("looking at the Droplet %q: %w", d.Name, err)
		}
	}
	if r.DryRun {
		for _, n := range r.wanted() {
			if addresses[n.Name] == "" {
				addresses[n.Name] = "(address of " + n.Name + ")"
			}
		}
	}
	return nil
}

// checkNames refuses to write over names that somebody else has made.
func (r *run) checkNames(all []godo.DomainRecord, want map[string][]string) error {
	owned := r.hasMarker(all)
	var problems []error
	for _, d := range all {
		addresses, ours := want[d.Name]
		switch {
		case !ours || isAddress(d) && (owned || slices.Contains(addresses, d.Data)):
		case isAddress(d) || d.Type == "CNAME":
			problems = append(problems, fmt.Errorf("the name %q in %s is there already: %s %s", d.Name, r.settings().DNSZone, d.Type, d.Data))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return advise(err, "remove these records, or name another domain in the definition: what others have made is not changed")
	}
	return nil
}

// name makes sure that a name has exactly these addresses: first those that are
// missing, then it loses the others.
func (r *run) name(ctx context.Context, all []godo.DomainRecord, name string, addresses []string) error {
	state := publish.Kept
	for _, a := range addresses {
		made, err := r.record(ctx, recordType(a), name, a)
		if err != nil {
			return err
		}
		if made && state == publish.Kept {
			state = publish.Created
		}
	}
	for _, d := range all {
		if d.Name == name && isAddress(d) && !slices.Contains(addresses, d.Data) {
			if err := r.removeRecord(ctx, d); err != nil {
				return err
			}
			state = publish.Changed
		}
	}
	r.add("name", strings.TrimPrefix(name+".", "@.")+r.settings().DNSZone, "", "", state, strings.Join(addresses, ", "))
	return nil
}

// record makes sure that the zone has a record.
func (r *run) record(ctx context.Context, kind, name, data string) (made bool, err error) {
	zone := r.settings().DNSZone
	_, made, err = ensure(ctx, r, fmt.Sprintf("creating the record %s %q in %s", kind, name, zone), struct{}{},
		func() (struct{}, bool, error) {
			all, err := r.records(ctx)
			return struct{}{}, slices.ContainsFunc(all, func(d godo.DomainRecord) bool {
				return d.Type == kind && d.Name == name && strings.Trim(d.Data, `"`) == data
			}), err
		},
		func() (struct{}, *godo.Response, error) {
			_, response, err := r.api.Domains.CreateRecord(ctx, zone, &godo.DomainRecordEditRequest{Type: kind, Name: name, Data: data, TTL: ttl})
			return struct{}{}, response, err
		})
	return made, err
}

func (r *run) removeRecord(ctx context.Context, d godo.DomainRecord) error {
	response, err := r.api.Domains.DeleteRecord(ctx, r.settings().DNSZone, d.ID)
	return gone(fmt.Sprintf("removing the record %s %q", d.Type, d.Name), response, err)
}

// removeNames removes the names of nodes: those with the given addresses, or
// all that are ours, with what says so.
func (r *run) removeNames(ctx context.Context, nodes map[string]string, all bool) error {
	records, err := r.records(ctx)
	if err != nil || !r.hasMarker(records) {
		return err
	}
	marker, _ := r.markerRecord()
	mine, addresses := r.namesOf(r.everyNode()), slices.Collect(maps.Values(nodes))
	var last []godo.DomainRecord // it says that the others are ours
	for _, d := range records {
		_, known := mine[d.Name]
		switch {
		case all && d.Type == "TXT" && d.Name == marker:
			last = append(last, d)
			continue
		case !known || !isAddress(d) || !all && !slices.Contains(addresses, d.Data):
			continue
		}
		if err := r.removeRecord(ctx, d); err != nil {
			return err
		}
		r.add("name", strings.TrimPrefix(d.Name+".", "@.")+r.settings().DNSZone, d.ID, "", publish.Deleted, d.Data)
	}
	for _, d := range last {
		if err := r.removeRecord(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// everyNode gives every node some address: for the names alone.
func (r *run) everyNode() map[string]string {
	out := map[string]string{}
	for _, n := range r.Cluster.Nodes {
		out[n.Name] = "any"
	}
	return out
}
