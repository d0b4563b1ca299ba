package digitalocean

import (
	"context"
	"fmt"
	"strconv"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/publish"
)

// Droplet states (DigitalOcean API, "Retrieve an Existing Droplet").
const (
	dropletActive = "active"
	dropletOff    = "off"
)

// snapshot makes a snapshot of a Droplet that has started once without an
// identity, and removes the Droplet.
func (r *run) snapshot(ctx context.Context, img *godo.Image) error {
	snap, found, err := r.findSnapshot(ctx)
	if err != nil {
		return err
	}
	state := publish.Kept
	if !found {
		state = publish.Created
		if snap, err = r.makeSnapshot(ctx, img); err != nil {
			return err
		}
	}
	if err := r.tagSnapshot(ctx, snap); err != nil {
		return err
	}
	if err := r.removeDonor(ctx, !found); err != nil {
		return err
	}
	r.add("snapshot", snap.Name, snap.ID, r.Regions[0], state, size(snap))
	return r.transfers(ctx, snap, "snapshot")
}

// findSnapshot looks for the finished snapshot, tagged or not.
func (r *run) findSnapshot(ctx context.Context) (*godo.Image, bool, error) {
	all, err := pages("listing snapshots", func(o *godo.ListOptions) ([]godo.Snapshot, *godo.Response, error) {
		return r.api.Snapshots.ListDroplet(ctx, o)
	})
	if err != nil {
		return nil, false, err
	}
	for _, s := range all {
		if s.Name != r.snapshotName() {
			continue
		}
		id, err := strconv.Atoi(s.ID)
		if err != nil {
			return nil, false, fmt.Errorf("listing snapshots: %q is not the id of one", s.ID)
		}
		return &godo.Image{ID: id, Name: s.Name, Regions: s.Regions, SizeGigaBytes: s.SizeGigaBytes, Tags: s.Tags}, true, nil
	}
	return nil, false, nil
}

func (r *run) donorTag() string {
	return tagSnapshot + r.Cluster.Def.Name + ":" + r.Image.ID
}

// makeSnapshot starts the Droplet, turns it off and takes the snapshot.
func (r *run) makeSnapshot(ctx context.Context, img *godo.Image) (*godo.Image, error) {
	keys, err := r.accountKeys(ctx)
	if err != nil {
		return nil, err
	}
	would := &godo.Image{ID: plannedID, Name: r.snapshotName(), Regions: r.Regions[:1]}
	donor, _, err := ensure(ctx, r, "creating the Droplet of which the snapshot is made", godo.Droplet{ID: plannedID},
		func() (godo.Droplet, bool, error) { return r.donor(ctx) },
		func() (godo.Droplet, *godo.Response, error) {
			d, response, err := r.api.Droplets.Create(ctx, &godo.DropletCreateRequest{
				Name: r.snapshotName(), Region: r.Regions[0], Size: r.settings().Size, SSHKeys: keys, WithDropletAgent: new(bool),
				Image: godo.DropletCreateImage{ID: img.ID}, Tags: []string{tagAll, r.donorTag()},
			})
			if err != nil {
				return godo.Droplet{}, response, err
			}
			return *d, response, nil
		})
	if err != nil {
		return nil, err
	}
	if err := r.act(ctx, donor, "power_off", "turning the Droplet off", func(d *godo.Droplet) bool { return d.Status == dropletOff },
		func() error { _, _, err := r.api.DropletActions.PowerOff(ctx, donor.ID); return err }); err != nil {
		return nil, err
	}
	if err := r.act(ctx, donor, "snapshot", "making the snapshot", func(d *godo.Droplet) bool { return len(d.SnapshotIDs) > 0 },
		func() error { _, _, err := r.api.DropletActions.Snapshot(ctx, donor.ID, r.snapshotName()); return err }); err != nil {
		return nil, err
	}
	if r.DryRun {
		return would, nil
	}
	var snap *godo.Image
	err = r.wait(ctx, "the snapshot", func() (string, bool, error) {
		got, found, err := r.findSnapshot(ctx)
		snap = got
		return "not listed", found, err
	})
	return snap, err
}

// donor finds the Droplet of which the snapshot is made.
func (r *run) donor(ctx context.Context) (godo.Droplet, bool, error) {
	all, err := r.droplets(ctx, r.donorTag())
	for _, d := range all {
		if d.Name == r.snapshotName() && has(d.Tags, tagAll) {
			return d, true, nil
		}
	}
	return godo.Droplet{}, false, err
}

// act has a Droplet do something, and waits until it did. What is done, or goes
// on already, is not asked for again.
func (r *run) act(ctx context.Context, d godo.Droplet, kind, doing string, done func(*godo.Droplet) bool, ask func() error) error {
	look := func() (string, error) {
		if d.ID == plannedID {
			return "", nil // of a dry run
		}
		now, _, err := r.api.Droplets.Get(ctx, d.ID)
		if err != nil {
			return "", fail(doing, err)
		}
		if done(now) {
			return "done", nil
		}
		if now.Status == "new" {
			return "new", nil
		}
		actions, err := r.actions(ctx, fmt.Sprintf("v2/droplets/%d/actions", d.ID))
		return newest(actions, func(a godo.Action) bool { return a.Type == kind }), err
	}
	if err := r.waitStarted(ctx, d); err != nil {
		return err
	}
	_, _, err := ensure(ctx, r, doing, struct{}{},
		func() (struct{}, bool, error) {
			now, err := look()
			return struct{}{}, now == "done" || now == actionRunning, err
		},
		func() (struct{}, *godo.Response, error) { return struct{}{}, nil, ask() })
	if err != nil || r.DryRun {
		return err
	}
	return r.wait(ctx, doing, func() (string, bool, error) {
		now, err := look()
		if err == nil && now == actionErrored {
			err = fmt.Errorf("%s: the platform gave up", doing)
		}
		return now, now == "done", err
	})
}

// waitStarted waits until a Droplet is more than an order for one.
func (r *run) waitStarted(ctx context.Context, d godo.Droplet) error {
	if d.ID == plannedID {
		return nil // of a dry run
	}
	return r.wait(ctx, "the Droplet "+d.Name, func() (string, bool, error) {
		now, _, err := r.api.Droplets.Get(ctx, d.ID)
		if err != nil {
			return "", false, fail("looking at the Droplet "+d.Name, err)
		}
		return now.Status, now.Status == dropletActive || now.Status == dropletOff, nil
	})
}

// tagSnapshot marks the snapshot as ours: it cannot be made with tags.
func (r *run) tagSnapshot(ctx context.Context, snap *godo.Image) error {
	for _, tag := range r.imageTags() {
		if has(snap.Tags, tag) {
			continue
		}
		if err := r.tag(ctx, tag); err != nil {
			return err
		}
		response, err := r.api.Tags.TagResources(ctx, tag, &godo.TagResourcesRequest{
			Resources: []godo.Resource{{ID: strconv.Itoa(snap.ID), Type: godo.ImageResourceType}},
		})
		for try := 1; err != nil && unclear(err) && try < maxTries && ctx.Err() == nil; try++ { // twice is like once
			response, err = r.api.Tags.TagResources(ctx, tag, &godo.TagResourcesRequest{
				Resources: []godo.Resource{{ID: strconv.Itoa(snap.ID), Type: godo.ImageResourceType}},
			})
		}
		if err := change("tagging the snapshot", response, err); err != nil {
			return err
		}
	}
	return nil
}

// removeDonor removes the Droplet of which the snapshot was made; would is for a
// dry run that would have made it.
func (r *run) removeDonor(ctx context.Context, would bool) error {
	d, found, err := r.donor(ctx)
	if err != nil {
		return err
	}
	if !found {
		if !r.DryRun || !would {
			return nil
		}
		d.ID, d.Name = plannedID, r.snapshotName()
	}
	return r.removeDroplet(ctx, &d)
}
