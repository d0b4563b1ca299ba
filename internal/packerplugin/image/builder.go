// Package image is the builder ingot-image: it bakes the image of a cluster as
// "ingot images" does, through the same functions.
package image

import (
	"context"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
	"github.com/ingot-k8s/ingot/pki"
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
func (b *Builder) Run(ctx context.Context, ui packersdk.Ui, _ packersdk.Hook) (packersdk.Artifact, error) {
	place, err := b.place(ui)
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
	result, err := builder.Bake(ctx, *cfg)
	if err != nil {
		return nil, definition.Explained(err)
	}
	return &Artifact{Dir: cfg.Dir, Manifest: result.Manifest}, nil
}

// place is where the cluster is baked.
func (b *Builder) place(ui packersdk.Ui) (*bakery.Bakery, error) {
	store, err := pki.Open(b.cluster, pki.Options{IdentityFile: b.config.IdentityFile, Log: logger(ui)})
	if err != nil {
		return nil, err
	}
	return &bakery.Bakery{
		Cluster: b.cluster, Keys: store, Dir: b.config.OutputDirectory, Version: b.Version, Offline: b.config.Offline,
		Progress: &progress{ui: ui}, Warn: func(message string) { ui.Say("warning: " + message) }, Say: ui.Say,
		Ensure: func(ctx context.Context) error {
			_, err := store.Ensure(ctx, pki.EnsureOptions{Progress: func(c pki.Change) { ui.Say(c.String()) }})
			return err
		},
		Now: time.Now,
	}, nil
}
