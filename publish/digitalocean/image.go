package digitalocean

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/publish"
)

// States of an image (DigitalOcean API, "Retrieve an Existing Image").
const (
	imageAvailable = "available"
	imageDeleted   = "deleted"
	imageRetired   = "retired"
)

func (r *run) publish(ctx context.Context) error {
	var plan []machine
	err := r.section("check", func() (err error) { plan, err = r.check(ctx); return err })
	if err != nil {
		return err
	}
	img, err := r.image(ctx)
	if err != nil {
		return err
	}
	if err := r.transfers(ctx, img, "image"); err != nil {
		return err
	}
	if r.Snapshot {
		if err := r.section("snapshot", func() error { return r.snapshot(ctx, img) }); err != nil {
			return err
		}
	}
	if r.Droplets {
		return r.machines(ctx, plan, img)
	}
	return nil
}

// image makes sure that the image is there.
func (r *run) image(ctx context.Context) (*godo.Image, error) {
	img, found, err := r.findImage(ctx)
	if err != nil {
		return nil, err
	}
	state := publish.Kept
	if !found {
		if err := r.section("upload", func() error { return r.upload(ctx) }); err != nil {
			return nil, err
		}
		var made bool
		err := r.section("import", func() error { img, made, err = r.importImage(ctx); return err })
		if err != nil {
			return nil, err
		}
		if made {
			state = publish.Created
		}
	} else if img.Status != imageAvailable {
		if err := r.section("import", func() error { img, err = r.await(ctx, img); return err }); err != nil {
			return nil, err
		}
	}
	r.knowTags(r.imageTags()...)
	r.add("image", img.Name, img.ID, r.Regions[0], state, size(img))
	return img, r.tidy(ctx)
}

func size(img *godo.Image) string {
	if img.SizeGigaBytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f GiB", img.SizeGigaBytes)
}

// findImage looks for the image of this run. Imports that failed, and a second
// one of the same image, are removed: they are of no use to anybody.
func (r *run) findImage(ctx context.Context) (*godo.Image, bool, error) {
	all, err := r.images(ctx, tagImage+r.Image.ID)
	if err != nil {
		return nil, false, err
	}
	mine := slices.DeleteFunc(all, func(i godo.Image) bool {
		return i.Name != r.imageName() || !r.ours(i.Tags)
	})
	slices.SortFunc(mine, func(a, b godo.Image) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.ID, b.ID))
	})
	var best *godo.Image
	for i := range mine {
		if best == nil && rank(mine[i]) < 2 {
			best = &mine[i]
			continue
		}
		if mine[i].Status == imageDeleted {
			continue // the platform's own record of what is gone
		}
		response, err := r.api.Images.Delete(ctx, mine[i].ID)
		if err := gone(fmt.Sprintf("removing the useless image %d", mine[i].ID), response, err); err != nil {
			return nil, false, err
		}
	}
	return best, best != nil, nil
}

// rank orders images by their use.
func rank(i godo.Image) int {
	switch {
	case i.Status == imageAvailable:
		return 0
	case i.Status == imageDeleted || i.Status == imageRetired || i.ErrorMessage != "":
		return 2
	}
	return 1
}

// upload brings the image's file into the bucket.
func (r *run) upload(ctx context.Context) error {
	key := r.objectKey()
	if r.Bucket == nil {
		return advise(errors.New("there is no bucket to upload the image to"),
			"name one by --bucket, or in the definition under publish.digitalocean.bucket")
	}
	if r.DryRun {
		return r.wouldUpload(ctx)
	}
	out, err := r.Bucket.Upload(ctx, key, r.Image.File, r.Image.SHA256, func(done, total int64) {
		r.Progress.Advance("upload", done, total)
	})
	if !out.Kept {
		r.noteUpload()
	}
	if err != nil {
		return advise(err, "what was sent stays, and the next run goes on with it")
	}
	state, note := publish.Created, fmt.Sprintf("%d bytes", r.Image.Size)
	switch {
	case out.Kept:
		state = publish.Kept
	case out.Resumed > 0:
		note += fmt.Sprintf(", %d of them by an earlier run", out.Resumed)
	}
	r.add("upload", r.Bucket.Name(key), "", r.Bucket.Where(), state, note)
	return nil
}

func (r *run) wouldUpload(ctx context.Context) error {
	key := r.objectKey()
	old, ok, err := r.Bucket.Stat(ctx, key)
	if err != nil {
		return err
	}
	state := publish.Kept
	if !ok || old.Size != r.Image.Size || old.SHA256 != r.Image.SHA256 {
		state = publish.Created
		r.noteUpload()
	}
	r.add("upload", r.Bucket.Name(key), "", r.Bucket.Where(), state, fmt.Sprintf("%d bytes", r.Image.Size))
	return nil
}

func (r *run) noteUpload() {
	r.wire.add(publish.Call{Method: "PUT", Target: r.Bucket.Name(r.objectKey()), Body: map[string]any{"bytes": r.Image.Size, "sha256": r.Image.SHA256}})
}

// fetchTime is how long the platform has to fetch the image: imports wait in a
// queue.
const fetchTime = 24 * time.Hour

// importImage has the platform fetch the upload.
func (r *run) importImage(ctx context.Context) (*godo.Image, bool, error) {
	address, err := r.Bucket.URL(ctx, r.objectKey(), fetchTime)
	if err != nil {
		return nil, false, err
	}
	r.secrets = append(r.secrets, address)
	would := &godo.Image{ID: plannedID, Name: r.imageName(), Status: imageAvailable, Regions: r.Regions[:1]}
	img, made, err := ensure(ctx, r, fmt.Sprintf("creating the image %q", r.imageName()), would,
		func() (*godo.Image, bool, error) { return r.findImage(ctx) },
		func() (*godo.Image, *godo.Response, error) {
			return r.api.Images.Create(ctx, &godo.CustomImageCreateRequest{
				Name: r.imageName(), Url: address, Region: r.Regions[0], Distribution: "Debian",
				Description: r.marker(), Tags: r.imageTags(),
			})
		})
	if err != nil {
		return nil, false, err
	}
	img, err = r.await(ctx, img)
	return img, made, err
}

// await waits until an import is done.
func (r *run) await(ctx context.Context, img *godo.Image) (*godo.Image, error) {
	if img.Status == imageAvailable {
		return img, nil
	}
	id, now := img.ID, img
	err := r.wait(ctx, "the import", func() (string, bool, error) {
		got, _, err := r.api.Images.GetByID(ctx, id)
		switch {
		case notFound(err):
			return "", false, r.refused(ctx, id, "it is gone without a word")
		case err != nil:
			return "", false, fail("looking at the image", err)
		case rank(*got) == 2:
			return "", false, r.refused(ctx, id, cmp.Or(got.ErrorMessage, "no reason given"))
		}
		now = got
		return got.Status, got.Status == imageAvailable, nil
	})
	return now, err
}

// refused removes what the platform would not take, and tells why.
func (r *run) refused(ctx context.Context, id int, why string) error {
	response, err := r.api.Images.Delete(ctx, id)
	err = errors.Join(gone("removing the refused image", response, err), r.removeUpload(ctx))
	return errors.Join(advise(fmt.Errorf("the platform refused the image: %s", why),
		"it wants a raw disk compressed with gzip, below 100 GB, that its servers can fetch by https; image and upload are removed"), err)
}

// tidy removes the upload, which is of no more use.
func (r *run) tidy(ctx context.Context) error {
	if r.Keep {
		return nil
	}
	return r.removeUpload(ctx)
}

func (r *run) removeUpload(ctx context.Context) error {
	if r.Bucket == nil {
		return nil
	}
	return r.removeObject(ctx, r.objectKey(), r.DryRun && r.uploaded())
}

// uploaded reports whether this run has, or would have, an upload.
func (r *run) uploaded() bool {
	return slices.ContainsFunc(r.items, func(i publish.Item) bool { return i.Kind == "upload" })
}

// removeObject removes an object with what there is of it.
func (r *run) removeObject(ctx context.Context, key string, certain bool) error {
	there, err := r.Bucket.List(ctx, key)
	if err != nil {
		return err
	}
	if len(there) == 0 && !certain {
		return nil
	}
	r.wire.add(publish.Call{Method: "DELETE", Target: r.Bucket.Name(key)})
	if !r.DryRun {
		if err := r.Bucket.Remove(ctx, key); err != nil {
			return err
		}
	}
	r.items = slices.DeleteFunc(r.items, func(i publish.Item) bool { return i.Kind == "upload" && i.Name == r.Bucket.Name(key) })
	r.add("upload", r.Bucket.Name(key), "", r.Bucket.Where(), publish.Deleted, "")
	return nil
}
