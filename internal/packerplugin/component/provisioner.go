// Package component is Ingot's provisioners: each puts the layer of a component
// onto the machine that a builder of Packer gives, and ingot-node those of all.
package component

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/apply"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
	"github.com/ingot-k8s/ingot/internal/packerplugin/show"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// All is the provisioner that applies every component.
const All = "node"

// Names lists the components, as provisioners are named after them.
func Names() []string { return provisioners.Names() }

// Provisioner applies a component, or all.
type Provisioner struct {
	Name    string // of a component, or All
	Version string // of ingot

	config  Config
	cluster *cluster.Cluster
}

var _ packersdk.Provisioner = (*Provisioner)(nil)

// ConfigSpec implements packersdk.HCL2Speccer.
func (p *Provisioner) ConfigSpec() hcldec.ObjectSpec { return p.config.FlatMapstructure().HCL2Spec() }

// Prepare implements packersdk.Provisioner.
func (p *Provisioner) Prepare(raw ...any) (err error) {
	p.cluster, err = p.config.decode(raw)
	return err
}

// Provision implements packersdk.Provisioner.
func (p *Provisioner) Provision(ctx context.Context, ui packersdk.Ui, comm packersdk.Communicator, data map[string]any) error {
	if data["ConnType"] == "ingot" {
		ui.Say("an image of ingot-image has " + p.Name + " by itself: nothing to do")
		return nil
	}
	if err := p.provision(ctx, ui, comm); err != nil {
		return definition.Explained(fmt.Errorf("ingot-%s: %w", p.Name, err))
	}
	return nil
}

func (p *Provisioner) provision(ctx context.Context, ui packersdk.Ui, comm packersdk.Communicator) error {
	m := &machine{comm: comm, elevate: p.config.Elevate}
	if err := apply.Supported(ctx, m, p.cluster.Def.Image.Debian); err != nil {
		return err // before programs are compiled
	}
	store, err := pki.Open(p.cluster, pki.Options{IdentityFile: p.config.IdentityFile, Log: show.Logger(ui)})
	if err != nil {
		return err
	}
	place := &bakery.Bakery{
		Cluster: p.cluster, Keys: store, Version: p.Version, Offline: p.config.Offline,
		Progress: show.Progress(ui), Warn: func(message string) { ui.Say("warning: " + message) }, Say: ui.Say,
		Ensure: func(ctx context.Context) error { return show.Ensure(ctx, ui, store) }, Now: time.Now,
	}
	cfg, err := place.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = cfg.Store.Close() }() // it only unlocks
	layers, err := p.layers(cfg.Public)
	if err != nil {
		return err
	}
	programs, err := builder.Programs(ctx, *cfg, needed(layers))
	if err != nil {
		return err
	}
	return apply.Apply(ctx, m, apply.Config{
		Cluster: p.cluster, Layers: layers, Programs: programs, Packages: p.packages(cfg), Date: cfg.Lock.Date, Say: ui.Say,
	})
}

// packages are those of the lock, if not the machine's own are asked for.
func (p *Provisioner) packages(cfg *builder.Config) *apply.Packages {
	if p.config.Packages == fromMachine {
		return nil
	}
	out := &apply.Packages{
		Versions: map[string]string{},
		Archive:  func(ctx context.Context, dir string) error { return builder.Archive(ctx, *cfg, dir) },
	}
	for _, l := range cfg.Lock.Debian.Packages {
		out.Versions[l.Name] = l.Version
	}
	return out
}

// layers are those that the provisioner applies.
func (p *Provisioner) layers(public *pki.Public) ([]layer.Layer, error) {
	all, err := provisioners.All(p.cluster, public)
	if err != nil || p.Name == All {
		return all, err
	}
	return slices.DeleteFunc(all, func(l layer.Layer) bool { return l.Name != p.Name }), nil
}

// needed lists the components whose programs layers need.
func needed(layers []layer.Layer) []string {
	var out []string
	for _, l := range layers {
		out = append(out, l.Components...)
	}
	return out
}
