package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/publish"
)

// delete removes what is asked for: machines before their network, and all
// before the tags by which it is found.
func (r *run) delete(ctx context.Context, what publish.Removal) error {
	if what.Machines {
		if err := r.section("machines", func() error { return r.deleteMachines(ctx, what) }); err != nil {
			return err
		}
	}
	if len(what.Nodes) > 0 {
		return nil // images are for all nodes
	}
	return r.section("images", func() error { return r.deleteImages(ctx, what) })
}

func (r *run) deleteMachines(ctx context.Context, what publish.Removal) error {
	all, err := r.allDroplets(ctx)
	if err != nil {
		return err
	}
	if len(what.Nodes) > 0 {
		all = slices.DeleteFunc(all, func(d godo.Droplet) bool { return !slices.Contains(what.Nodes, value(d.Tags, tagNode)) })
	}
	if r.settings().DNSZone != "" {
		if err := r.removeNames(ctx, r.addressesOf(all, what.Nodes), len(what.Nodes) == 0); err != nil {
			return err
		}
	}
	for _, d := range all {
		if err := r.removeDroplet(ctx, &d); err != nil {
			return err
		}
		r.add("droplet", d.Name, d.ID, regionOf(&d), publish.Deleted, "")
	}
	if len(what.Nodes) > 0 {
		return nil
	}
	return r.deleteNetwork(ctx)
}

// addressesOf gives the addresses of Droplets, and of nodes that have their own.
func (r *run) addressesOf(all []godo.Droplet, nodes []string) map[string]string {
	out := map[string]string{}
	for _, d := range all {
		if a, err := d.PublicIPv4(); err == nil && a != "" {
			out[d.Name] = a
		}
	}
	for _, name := range nodes {
		if n, ok := r.Cluster.Node(name); ok {
			if a, err := netip.ParseAddr(n.Spec.Address); err == nil {
				out[name] = a.String()
			}
		}
	}
	return out
}

func (r *run) deleteNetwork(ctx context.Context) error {
	firewalls, err := r.firewalls(ctx)
	if err != nil {
		return err
	}
	for _, f := range firewalls {
		response, err := r.api.Firewalls.Delete(ctx, f.ID)
		if err := gone("removing the firewall "+f.Name, response, err); err != nil {
			return err
		}
		r.add("firewall", f.Name, f.ID, "", publish.Deleted, "")
	}
	vpcs, err := r.vpcs(ctx)
	if err != nil {
		return err
	}
	for _, v := range vpcs {
		if err := r.deleteVPC(ctx, v); err != nil {
			return err
		}
	}
	keys, err := r.keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		response, err := r.api.Keys.DeleteByID(ctx, k.ID)
		if err := gone("removing the SSH key "+k.Name, response, err); err != nil {
			return err
		}
		r.add("ssh key", k.Name, k.ID, "", publish.Deleted, "")
	}
	return nil
}

// deleteVPC removes a private network. Droplets that were just removed belong to
// it for a while; and the one that is the region's default has to stay.
func (r *run) deleteVPC(ctx context.Context, v *godo.VPC) error {
	if v.Default {
		r.add("vpc", v.Name, v.ID, v.RegionSlug, publish.Kept, "it is the region's default, which the platform keeps; it costs nothing")
		return nil
	}
	err := r.wait(ctx, "the VPC "+v.Name, func() (string, bool, error) {
		response, err := r.api.VPCs.Delete(ctx, v.ID)
		if hasMembers(err) {
			return "has members", false, nil
		}
		return "", true, gone("removing the VPC "+v.Name, response, err)
	})
	if err != nil {
		return err
	}
	r.add("vpc", v.Name, v.ID, v.RegionSlug, publish.Deleted, "")
	return nil
}

// hasMembers reports that a VPC is in use. The API has no code of its own for it.
func hasMembers(err error) bool {
	var refused *godo.ErrorResponse
	code := status(err)
	return (code == http.StatusForbidden || code == http.StatusConflict) && errors.As(err, &refused) && strings.Contains(refused.Message, "members")
}

// deleteImages removes images, snapshots and uploads.
func (r *run) deleteImages(ctx context.Context, what publish.Removal) error {
	images, err := r.allImages(ctx)
	if err != nil {
		return err
	}
	wanted := func(id string) bool { return len(what.Images) == 0 || slices.Contains(what.Images, id) }
	for _, i := range images {
		if !wanted(value(i.Tags, tagImage)) {
			continue
		}
		response, err := r.api.Images.Delete(ctx, i.ID)
		if err := gone(fmt.Sprintf("removing the %s %q", kindOf(i), i.Name), response, err); err != nil {
			return err
		}
		r.add(kindOf(i), i.Name, i.ID, strings.Join(i.Regions, ", "), publish.Deleted, "")
	}
	objects, err := r.objects(ctx)
	if err != nil {
		return err
	}
	for _, key := range objects {
		id := strings.TrimSuffix(strings.TrimPrefix(key, r.Cluster.Def.Name+"-"), suffix)
		if !wanted(id) {
			continue
		}
		if err := r.removeObject(ctx, key, true); err != nil {
			return err
		}
	}
	if what.Machines && len(what.Images) == 0 {
		return r.deleteTags(ctx)
	}
	return nil
}

// deleteTags removes the cluster's own tags; those that other clusters use, too,
// stay.
func (r *run) deleteTags(ctx context.Context) error {
	all, err := pages("listing tags", func(o *godo.ListOptions) ([]godo.Tag, *godo.Response, error) { return r.api.Tags.List(ctx, o) })
	if err != nil {
		return err
	}
	name := r.Cluster.Def.Name
	for _, t := range all {
		if t.Name != r.clusterTag() && !strings.HasPrefix(t.Name, tagRole+name+":") && !strings.HasPrefix(t.Name, tagSnapshot+name+":") {
			continue
		}
		response, err := r.api.Tags.Delete(ctx, t.Name)
		if err := gone("removing the tag "+t.Name, response, err); err != nil {
			return err
		}
	}
	return nil
}
