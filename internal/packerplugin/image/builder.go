// Package image is the builder ingot-image: it bakes the image of a cluster as
// "ingot images" does, through the same functions.
package image

import (
	"context"
	"errors"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
	"github.com/ingot-k8s/ingot/internal/packerplugin/show"
)

// Builder is the builder ingot-image.
type Builder struct {
	Version string // of ingot

	config  Config
	cluster *cluster.Cluster
	formats []builder.Format
}

var _ packersdk.Builder = (*Builder)(nil)

// ConfigSpec implements packersdk.HCL2Speccer.
func (b *Builder) ConfigSpec() hcldec.ObjectSpec { return b.config.FlatMapstructure().HCL2Spec() }

// Prepare implements packersdk.Builder. It makes nothing.
func (b *Builder) Prepare(raw ...any) (variables, warnings []string, err error) {
	b.cluster, b.formats, warnings, err = b.config.decode(raw)
	return nil, warnings, err
}

// Run implements packersdk.Builder.
func (b *Builder) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	place, err := show.Bakery(ui, b.cluster, show.Options{
		IdentityFile: b.config.IdentityFile, Dir: b.config.OutputDirectory, Offline: b.config.Offline, Version: b.Version,
	})
	if err != nil {
		return nil, definition.Explained(err)
	}
	report, err := place.Check()
	for _, w := range definition.Warnings(report) {
		ui.Say(w)
	}
	if err != nil {
		return nil, definition.Explained(err)
	}
	cfg, err := place.Open(ctx)
	if err != nil {
		return nil, definition.Explained(err)
	}
	defer func() { _ = cfg.Store.Close() }() // it only unlocks
	cfg.Formats = b.formats
	made, err := b.bake(ctx, ui, hook, cfg)
	if err != nil {
		return nil, definition.Explained(err)
	}
	return made, nil
}

// bake lets provisioners change the base, and bakes.
func (b *Builder) bake(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook, cfg *builder.Config) (made *Artifact, err error) {
	s := &shop{cfg: cfg, ui: ui}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.provision(ctx, hook, b.config.PackerOnError); err != nil {
		return nil, err
	}
	result, err := builder.Bake(ctx, *cfg)
	if err != nil {
		return nil, err
	}
	for _, line := range result.Manifest.Unlocked.Lines() {
		ui.Say(line)
	}
	return &Artifact{Dir: cfg.Dir, Manifest: result.Manifest, definition: b.cluster.File}, nil
}
