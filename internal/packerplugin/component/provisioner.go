// Package component is Ingot's provisioners: each puts the layer of a component
// onto the machine that a builder of Packer gives, and ingot-node those of all.
package component

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/apply"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
	"github.com/ingot-k8s/ingot/internal/packerplugin/show"
	"github.com/ingot-k8s/ingot/provisioners"
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
	place, err := show.Bakery(ui, p.cluster, show.Options{IdentityFile: p.config.IdentityFile, Offline: p.config.Offline, Version: p.Version})
	if err == nil {
		err = apply.Components(ctx, &machine{comm: comm, elevate: p.config.Elevate}, place, p.config.Packages == fromMachine, p.components()...)
	}
	if err != nil {
		return definition.Explained(fmt.Errorf("ingot-%s: %w", p.Name, err))
	}
	return nil
}

// components are those that it applies; none means all.
func (p *Provisioner) components() []string {
	if p.Name == All {
		return nil
	}
	return []string{p.Name}
}
