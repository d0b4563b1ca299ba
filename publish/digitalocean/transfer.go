package digitalocean

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/publish"
)

// States of an action (DigitalOcean API, "Actions").
const (
	actionRunning = "in-progress"
	actionErrored = "errored"
)

// transfers brings an image to the other regions, one after another.
func (r *run) transfers(ctx context.Context, img *godo.Image, kind string) error {
	for _, region := range r.Regions {
		if slices.Contains(img.Regions, region) {
			if region != r.Regions[0] {
				r.add(kind, img.Name, img.ID, region, publish.Kept, "")
			}
			continue
		}
		if err := r.section("transfer to "+region, func() error { return r.transfer(ctx, img, region) }); err != nil {
			return err
		}
		r.add(kind, img.Name, img.ID, region, publish.Created, "")
	}
	return nil
}

// transfer brings an image to one region.
func (r *run) transfer(ctx context.Context, img *godo.Image, region string) error {
	doing := fmt.Sprintf("transferring the image %q to %s", img.Name, region)
	_, _, err := ensure(ctx, r, doing, struct{}{},
		func() (struct{}, bool, error) {
			there, err := r.transferred(ctx, img, region)
			return struct{}{}, there == imageAvailable || there == actionRunning, err
		},
		func() (struct{}, *godo.Response, error) {
			// The action is not looked at: what the list says of it counts.
			_, response, err := r.api.ImageActions.Transfer(ctx, img.ID, &godo.ActionRequest{"type": "transfer", "region": region})
			return struct{}{}, response, err
		})
	if err != nil || r.DryRun {
		return err
	}
	return r.wait(ctx, "the transfer", func() (string, bool, error) {
		now, err := r.transferred(ctx, img, region)
		if err == nil && (now == "" || now == actionErrored) {
			err = advise(fmt.Errorf("%s: the platform gave up", doing), "run it again to try again")
		}
		return now, now == imageAvailable, err
	})
}

// transferred says how far a transfer is: the image's own state where it is
// there, else that of the newest action; empty where there is none.
func (r *run) transferred(ctx context.Context, img *godo.Image, region string) (string, error) {
	if img.ID == plannedID {
		return "", nil // of a dry run
	}
	now, _, err := r.api.Images.GetByID(ctx, img.ID)
	if err != nil {
		return "", fail("looking at the image", err)
	}
	if slices.Contains(now.Regions, region) {
		return imageAvailable, nil
	}
	actions, err := r.actions(ctx, fmt.Sprintf("v2/images/%d/actions", img.ID))
	if err != nil {
		return "", err
	}
	return newest(actions, func(a godo.Action) bool { return a.Type == "transfer" && a.RegionSlug == region }), nil
}

// newest is the state of the last of the actions that are asked for; empty
// where there is none.
func newest(actions []godo.Action, wanted func(godo.Action) bool) string {
	id, state := 0, ""
	for _, a := range actions {
		if wanted(a) && a.ID >= id {
			id, state = a.ID, a.Status
		}
	}
	return state
}

// actions lists those of a thing, for which the client has no call.
func (r *run) actions(ctx context.Context, path string) ([]godo.Action, error) {
	return pages("listing actions", func(o *godo.ListOptions) ([]godo.Action, *godo.Response, error) {
		req, err := r.api.NewRequest(ctx, http.MethodGet, fmt.Sprintf("%s?page=%d&per_page=%d", path, o.Page, o.PerPage), nil)
		if err != nil {
			return nil, nil, err
		}
		var root struct {
			Actions []godo.Action `json:"actions"`
			Links   *godo.Links   `json:"links"`
		}
		response, err := r.api.Do(ctx, req, &root)
		if err != nil {
			return nil, response, err
		}
		response.Links = root.Links
		return root.Actions, response, nil
	})
}
