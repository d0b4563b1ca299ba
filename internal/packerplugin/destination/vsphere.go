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
	"github.com/ingot-k8s/ingot/publish/vsphere"
)

// VSphere is the post-processor ingot-vsphere.
func VSphere(version string) *post.Processor {
	c := new(VSphereConfig)
	return &post.Processor{
		Name: vsphere.Name, Config: c,
		Check: func() error { return private(c.CredentialsFile) },
		Work: func(ctx context.Context, ui packersdk.Ui, s *image.Source) (*post.Artifact, error) {
			img, err := find(s, "esxi", builder.OVA)
			if err != nil {
				return nil, err
			}
			access := delivery.VSphere{CredentialsFile: c.CredentialsFile, CAFile: c.CAFile, Thumbprint: c.Thumbprint, Getenv: os.Getenv}
			cfg, err := access.Config(s.Cluster)
			if err != nil {
				return nil, err
			}
			cfg.Image = vsphere.Image{ID: img.ID, OVA: img.Path, SHA256: img.SHA256}
			cfg.Now, cfg.UserAgent = time.Now, "packer-plugin-ingot/"+version
			return bring(ctx, ui, img, func(p publish.Progress) (publish.Destination, error) {
				cfg.Progress = p
				return vsphere.New(*cfg)
			})
		},
	}
}
