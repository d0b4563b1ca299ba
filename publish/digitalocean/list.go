package digitalocean

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/publish"
)

// list tells what there is of the cluster.
func (r *run) list(ctx context.Context) error {
	images, err := r.allImages(ctx)
	if err != nil {
		return err
	}
	for _, i := range images {
		note := i.Status
		if i.ErrorMessage != "" {
			note += ": " + i.ErrorMessage
		}
		r.add(kindOf(i), i.Name, i.ID, strings.Join(i.Regions, ", "), publish.Found, strings.TrimPrefix(note+"; "+size(&i), "; "))
	}
	if err := r.listMachines(ctx); err != nil {
		return err
	}
	objects, err := r.objects(ctx)
	for _, o := range objects {
		r.add("upload", r.Bucket.Name(o), "", r.Bucket.Where(), publish.Found, "")
	}
	return err
}

func (r *run) listMachines(ctx context.Context) error {
	droplets, err := r.allDroplets(ctx)
	if err != nil {
		return err
	}
	for _, d := range droplets {
		address, err := d.PublicIPv4()
		if err != nil {
			return fmt.Errorf("looking at the Droplet %q: %w", d.Name, err)
		}
		r.add("droplet", d.Name, d.ID, regionOf(&d), publish.Found, strings.Join([]string{d.Status, address, d.SizeSlug, "image " + value(d.Tags, tagImage)}, ", "))
	}
	firewalls, err := r.firewalls(ctx)
	if err != nil {
		return err
	}
	for _, f := range firewalls {
		r.add("firewall", f.Name, f.ID, "", publish.Found, "")
	}
	vpcs, err := r.vpcs(ctx)
	if err != nil {
		return err
	}
	for _, v := range vpcs {
		r.add("vpc", v.Name, v.ID, v.RegionSlug, publish.Found, v.IPRange)
	}
	keys, err := r.keys(ctx)
	for _, k := range keys {
		r.add("ssh key", k.Name, k.ID, "", publish.Found, "")
	}
	return err
}

func kindOf(i godo.Image) string {
	if i.Type == "custom" {
		return "image"
	}
	return "snapshot"
}

func regionOf(d *godo.Droplet) string {
	if d.Region == nil {
		return ""
	}
	return d.Region.Slug
}

// allImages lists the images and snapshots of the cluster, of any id.
func (r *run) allImages(ctx context.Context) ([]godo.Image, error) {
	all, err := r.images(ctx, r.clusterTag())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(i godo.Image) bool { return !r.ours(i.Tags) || i.Status == imageDeleted }), nil
}

// allDroplets lists the cluster's Droplets, and those of which snapshots were
// being made.
func (r *run) allDroplets(ctx context.Context) ([]godo.Droplet, error) {
	all, err := r.droplets(ctx, tagAll)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(d godo.Droplet) bool {
		donor := strings.HasPrefix(value(d.Tags, tagSnapshot), r.Cluster.Def.Name+":")
		return !has(d.Tags, tagAll) || !r.ours(d.Tags) && !donor
	}), nil
}

// keys lists the SSH keys that were added for the cluster.
func (r *run) keys(ctx context.Context) ([]godo.Key, error) {
	all, err := pages("listing SSH keys", func(o *godo.ListOptions) ([]godo.Key, *godo.Response, error) { return r.api.Keys.List(ctx, o) })
	if err != nil {
		return nil, err
	}
	mine := regexp.MustCompile(`^ingot-` + regexp.QuoteMeta(r.Cluster.Def.Name) + `-[0-9]+$`)
	return slices.DeleteFunc(all, func(k godo.Key) bool { return !mine.MatchString(k.Name) }), nil
}

// objects lists the keys of the cluster's uploads.
func (r *run) objects(ctx context.Context) ([]string, error) {
	if r.Bucket == nil {
		return nil, nil
	}
	name := r.Cluster.Def.Name
	all, err := r.Bucket.List(ctx, name+"-")
	if err != nil {
		return nil, err
	}
	mine := regexp.MustCompile(`^` + regexp.QuoteMeta(name) + `-[0-9a-f]{12}` + regexp.QuoteMeta(suffix) + `$`)
	var out []string
	for _, o := range all {
		if mine.MatchString(o.Key) {
			out = append(out, o.Key)
		}
	}
	return out, nil
}
