package digitalocean

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
)

// machines makes the Droplets, with the firewalls before them, so that none is
// ever without.
func (r *run) machines(ctx context.Context, plan []machine, img *godo.Image) error {
	net := map[string]string{} // region -> id of its VPC
	var keys []godo.DropletCreateSSHKey
	err := r.section("network", func() (err error) {
		for _, f := range r.firewallRequests() {
			if err := r.firewall(ctx, f); err != nil {
				return err
			}
		}
		for _, m := range plan {
			if _, ok := net[m.region]; ok {
				continue
			}
			if net[m.region], err = r.vpc(ctx, m.region); err != nil {
				return err
			}
		}
		keys, err = r.accountKeys(ctx)
		return err
	})
	if err != nil {
		return err
	}
	b := &builder{run: r, image: img, keys: keys, vpcs: net, addresses: map[string]string{}}
	if err := b.lookForControllers(ctx, plan); err != nil {
		return err
	}
	for _, m := range plan {
		if err := r.section(m.node.Name, func() error { return b.machine(ctx, m) }); err != nil {
			return err
		}
	}
	if r.settings().DNSZone == "" {
		return nil
	}
	return r.section("names", func() error { return r.names(ctx, b.addresses) })
}

// builder makes Droplets.
type builder struct {
	*run
	image *godo.Image
	keys  []godo.DropletCreateSSHKey
	vpcs  map[string]string

	memberGone bool              // a controller has lost its data, or will by this run
	addresses  map[string]string // of nodes, public
}

// lookForControllers notes whether one of them is missing, as where a run was
// interrupted that replaced it.
func (b *builder) lookForControllers(ctx context.Context, plan []machine) error {
	for _, m := range plan {
		if !m.node.Has(cluster.Controller) {
			continue
		}
		_, found, err := b.findDroplet(ctx, m)
		if err != nil {
			return err
		}
		b.memberGone = b.memberGone || !found
	}
	return nil
}

// machine makes sure that a node has its Droplet.
func (b *builder) machine(ctx context.Context, m machine) error {
	old, found, err := b.findDroplet(ctx, m)
	if err != nil {
		return err
	}
	state, note := publish.Created, ""
	if found {
		if note = b.differs(old, m); note == "" || !b.mayReplace(m, &note) {
			return b.keep(ctx, m, old, note)
		}
		state = publish.Replaced
		b.memberGone = b.memberGone || m.node.Has(cluster.Controller)
		if err := b.removeDroplet(ctx, old); err != nil {
			return err
		}
	}
	d, err := b.create(ctx, m)
	if err != nil {
		return err
	}
	return b.finish(ctx, m, d, state, note)
}

// findDroplet looks for the Droplet of a node. Two are not touched: which of
// them is the cluster's cannot be seen from here.
func (b *builder) findDroplet(ctx context.Context, m machine) (*godo.Droplet, bool, error) {
	all, err := b.droplets(ctx, b.clusterTag())
	if err != nil {
		return nil, false, err
	}
	all = slices.DeleteFunc(all, func(d godo.Droplet) bool { return !b.ours(d.Tags) || !has(d.Tags, tagNode+m.node.Name) })
	switch len(all) {
	case 0:
		return nil, false, nil
	case 1:
		return &all[0], true, nil
	}
	return nil, false, advise(fmt.Errorf("node %q has %d Droplets, among them %d and %d", m.node.Name, len(all), all[0].ID, all[1].ID),
		"remove the one that should not be there: ingot publish delete removes both")
}

// dataSum marks user data: machines whose data are others have another sum. It
// is of keys with all their entropy, which nobody finds by trying.
func dataSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

// differs says in what a Droplet is not as it should be; empty where it is.
func (b *builder) differs(d *godo.Droplet, m machine) string {
	switch {
	case !has(d.Tags, tagImage+b.Image.ID):
		return "of the image " + value(d.Tags, tagImage)
	case d.Region != nil && d.Region.Slug != m.region:
		return "in the region " + d.Region.Slug
	case d.SizeSlug != m.size:
		return "of the size " + d.SizeSlug
	case !has(d.Tags, tagData+dataSum(m.data)):
		return "with other user data"
	}
	return ""
}

// mayReplace says whether a Droplet is replaced by this run, and why not. A
// second controller has to wait until the first is a member of etcd again,
// which cannot be seen from here.
func (b *builder) mayReplace(m machine, note *string) bool {
	switch {
	case !b.Replace:
		*note += "; --replace makes it anew"
		return false
	case m.node.Has(cluster.Controller) && b.memberGone:
		*note += "; run it again for this controller when the others are healthy"
		return false
	}
	*note = "was " + *note
	return true
}

// keep leaves a Droplet as it is, but for its address.
func (b *builder) keep(ctx context.Context, m machine, d *godo.Droplet, note string) error {
	return b.finish(ctx, m, d, publish.Kept, note)
}

// nodeTags are those of a Droplet, with some more.
func (r *run) nodeTags(m machine, more ...string) []string {
	tags := append([]string{tagAll, r.clusterTag(), tagNode + m.node.Name, tagImage + r.Image.ID}, more...)
	for _, role := range m.node.Spec.Roles {
		tags = append(tags, r.roleTag(role))
	}
	return tags
}

// create makes the Droplet of a node.
func (b *builder) create(ctx context.Context, m machine) (*godo.Droplet, error) {
	tags := b.nodeTags(m, tagData+dataSum(m.data))
	d, _, err := ensure(ctx, b.run, fmt.Sprintf("creating the Droplet %q", m.name), &godo.Droplet{ID: plannedID, Name: m.name, Status: dropletActive, Networks: &godo.Networks{}},
		func() (*godo.Droplet, bool, error) { return b.findDroplet(ctx, m) },
		func() (*godo.Droplet, *godo.Response, error) {
			return b.api.Droplets.Create(ctx, &godo.DropletCreateRequest{
				Name: m.name, Region: m.region, Size: m.size, Image: godo.DropletCreateImage{ID: b.image.ID}, SSHKeys: b.keys,
				UserData: string(m.data), Tags: tags, VPCUUID: b.vpcs[m.region], WithDropletAgent: new(bool),
			})
		})
	return d, err
}

// finish waits until a Droplet runs, and gives it its address.
func (b *builder) finish(ctx context.Context, m machine, d *godo.Droplet, state publish.State, note string) error {
	if d.ID != plannedID {
		id := d.ID
		err := b.wait(ctx, "the Droplet", func() (string, bool, error) {
			now, _, err := b.api.Droplets.Get(ctx, id)
			if err != nil {
				return "", false, fail(fmt.Sprintf("looking at the Droplet %q", m.name), err)
			}
			d = now
			return now.Status, now.Status == dropletActive || now.Status == dropletOff && state == publish.Kept, nil
		})
		if err != nil {
			return err
		}
	}
	address, err := d.PublicIPv4()
	if err != nil {
		return fmt.Errorf("looking at the Droplet %q: %w", m.name, err)
	}
	if m.reserved != "" {
		if err := b.assign(ctx, m, d); err != nil {
			return err
		}
		address = m.reserved
	}
	b.addresses[m.node.Name] = address
	if note != "" && address != "" {
		note = address + "; " + note
	} else {
		note += address
	}
	b.add("droplet", m.name, d.ID, m.region, state, note)
	return nil
}

// assign gives a Droplet its reserved IP.
func (b *builder) assign(ctx context.Context, m machine, d *godo.Droplet) error {
	doing := fmt.Sprintf("assigning %s to the Droplet %q", m.reserved, m.name)
	look := func() (bool, error) {
		got, _, err := b.api.ReservedIPs.Get(ctx, m.reserved)
		if err != nil {
			return false, fail(doing, err)
		}
		return d.ID != plannedID && got.Droplet != nil && got.Droplet.ID == d.ID, nil
	}
	_, made, err := ensure(ctx, b.run, doing, struct{}{},
		func() (struct{}, bool, error) { there, err := look(); return struct{}{}, there, err },
		func() (struct{}, *godo.Response, error) {
			_, response, err := b.api.ReservedIPActions.Assign(ctx, m.reserved, d.ID)
			return struct{}{}, response, err
		})
	if err != nil {
		return err
	}
	b.add("reserved ip", m.reserved, "", m.region, assigned(made), m.node.Name)
	if b.DryRun {
		return nil
	}
	return b.wait(ctx, "the address "+m.reserved, func() (string, bool, error) {
		there, err := look()
		return "elsewhere", there, err
	})
}

func assigned(made bool) publish.State {
	if made {
		return publish.Changed
	}
	return publish.Kept
}

// removeDroplet removes a Droplet and waits until it is gone.
func (r *run) removeDroplet(ctx context.Context, d *godo.Droplet) error {
	response, err := r.api.Droplets.Delete(ctx, d.ID)
	if err := gone(fmt.Sprintf("removing the Droplet %q", d.Name), response, err); err != nil || r.DryRun {
		return err
	}
	return r.wait(ctx, "the end of the Droplet "+d.Name, func() (string, bool, error) {
		now, _, err := r.api.Droplets.Get(ctx, d.ID)
		switch {
		case notFound(err):
			return "", true, nil
		case err != nil:
			return "", false, fail("looking at the Droplet "+d.Name, err)
		}
		return now.Status, false, nil
	})
}
