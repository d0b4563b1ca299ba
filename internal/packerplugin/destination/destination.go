// Package destination is Ingot's post-processors for destinations: each brings an
// image of ingot-image to where machines run, through the same functions as
// "ingot publish". Machines are made there by that command.
package destination

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/delivery"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
	"github.com/ingot-k8s/ingot/internal/packerplugin/post"
	"github.com/ingot-k8s/ingot/internal/packerplugin/show"
	"github.com/ingot-k8s/ingot/publish"
)

// find finds the file that a destination takes.
func find(s *image.Source, target string, f builder.Format) (*delivery.Image, error) {
	made := slices.ContainsFunc(s.Made, func(o builder.Output) bool { return o.Format == f })
	if _, baked := s.Manifest.File(f); !baked && !made {
		return nil, fmt.Errorf("it takes %s, and the image %s-%s has none: name it in formats of ingot-image, or put ingot-%s before this",
			f, s.Manifest.Cluster, s.Manifest.ID, strings.ReplaceAll(string(f), ".", "-"))
	}
	return delivery.Find(s.Cluster, s.Dir, target, f, s.Made...)
}

// bring brings an image to a destination, and tells of each thing there.
func bring(ctx context.Context, ui packersdk.Ui, img *delivery.Image, open func(publish.Progress) (publish.Destination, error)) (*post.Artifact, error) {
	d, err := open(show.Progress(ui))
	if err != nil {
		return nil, err
	}
	s, err := d.Publish(ctx)
	if s != nil {
		for _, i := range s.Items {
			ui.Say(i.Line(false))
		}
	}
	if err != nil {
		return nil, err
	}
	out := artifact(s)
	out.Remove = func(ctx context.Context) error {
		d, err := open(silent{}) // Packer listens no more
		if err != nil {
			return err
		}
		_, err = d.Delete(ctx, publish.Removal{Images: []string{img.ID}})
		return err
	}
	return out, nil
}

// silent is a progress that nobody sees.
type silent struct{}

func (silent) Begin(string)                                  {}
func (silent) Advance(string, int64, int64)                  {}
func (silent) Say(string, string)                            {}
func (silent) End(string, time.Duration, bool, int64, error) {}

// artifact is what a run has brought there.
func artifact(s *publish.Summary) *post.Artifact {
	var ids, lines, where []string
	for _, i := range s.Items {
		if i.ID == "" || i.State == publish.Deleted {
			continue // such as the upload
		}
		lines, where = append(lines, fmt.Sprintf("%s %s (%s) in %s", i.Kind, i.Name, i.ID, i.Where)), append(where, i.Where)
		if !slices.Contains(ids, i.ID) {
			ids = append(ids, i.ID)
		}
	}
	id := strings.Join(ids, ",")
	return &post.Artifact{
		Kind: "ingot." + s.Destination, Name: id, Text: strings.Join(lines, "; "),
		// By the names of the SDK's registry image.
		Entry: map[string]any{
			"ImageID": id, "ProviderName": s.Destination, "ProviderRegion": strings.Join(where, ","),
			"Labels": map[string]string{"cluster": s.Cluster, "image": s.Image},
		},
	}
}
