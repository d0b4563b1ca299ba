package destination

import (
	"context"
	"os"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/delivery"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
	"github.com/ingot-k8s/ingot/internal/packerplugin/post"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
)

// DigitalOcean is the post-processor ingot-digitalocean.
func DigitalOcean() *post.Processor {
	c := new(DigitalOceanConfig)
	return &post.Processor{
		Name: digitalocean.Name, Config: c,
		Check: func() error { return private(c.TokenFile, c.S3KeyFile) },
		Work: func(ctx context.Context, ui packersdk.Ui, s *image.Source) (*post.Artifact, error) {
			img, err := find(s, digitalocean.Name, builder.RawGZ)
			if err != nil {
				return nil, err
			}
			access := delivery.DigitalOcean{TokenFile: c.TokenFile, KeyFile: c.S3KeyFile, Bucket: c.Bucket, Endpoint: c.Endpoint, Getenv: os.Getenv}
			cfg, err := access.Config(s.Cluster, delivery.Regions(s.Cluster, c.Regions), true)
			if err != nil {
				return nil, err
			}
			cfg.Image = digitalocean.Image{ID: img.ID, File: img.Path, SHA256: img.SHA256, Size: img.Size}
			cfg.Keep, cfg.Snapshot, cfg.Timeout, cfg.Now = c.KeepUpload, c.Snapshot, c.Timeout, time.Now
			return bring(ctx, ui, img, func(p publish.Progress) (publish.Destination, error) {
				cfg.Progress = p
				return digitalocean.New(*cfg)
			})
		},
	}
}
