package digitalocean

import (
	"context"
	"fmt"
	"time"

	"github.com/digitalocean/godo"
)

// pageSize is the most that the API gives at once.
const pageSize = 200

// pages reads a list to its end.
func pages[T any](doing string, page func(*godo.ListOptions) ([]T, *godo.Response, error)) ([]T, error) {
	var out []T
	opt := &godo.ListOptions{Page: 1, PerPage: pageSize}
	for {
		list, response, err := page(opt)
		if err != nil {
			return nil, fail(doing, err)
		}
		out = append(out, list...)
		if response.Links == nil || response.Links.IsLastPage() || len(list) == 0 {
			return out, nil
		}
		opt.Page++
	}
}

// images lists the images and snapshots that have a tag.
func (r *run) images(ctx context.Context, tag string) ([]godo.Image, error) {
	return pages("listing images", func(o *godo.ListOptions) ([]godo.Image, *godo.Response, error) {
		return r.api.Images.ListByTag(ctx, tag, o)
	})
}

// droplets lists the Droplets that have a tag.
func (r *run) droplets(ctx context.Context, tag string) ([]godo.Droplet, error) {
	return pages("listing Droplets", func(o *godo.ListOptions) ([]godo.Droplet, *godo.Response, error) {
		return r.api.Droplets.ListByTag(ctx, tag, o)
	})
}

// Pauses between two looks at a thing that changes.
const (
	shortLook = 2 * time.Second
	longLook  = 15 * time.Second
)

// wait looks until a thing is as it should be. check says what it is now.
func (r *run) wait(ctx context.Context, what string, check func() (now string, done bool, err error)) error {
	end := r.Now().Add(r.Timeout)
	for pause := shortLook; ; pause = min(pause*3/2, longLook) {
		now, done, err := check()
		if err != nil || done {
			return err
		}
		r.say("%s: %s", what, now)
		if r.Now().After(end) {
			return advise(fmt.Errorf("waiting for %s: still %s after %s", what, now, r.Timeout),
				"nothing is lost: run it again to go on waiting, with a longer --timeout")
		}
		if err := r.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}
