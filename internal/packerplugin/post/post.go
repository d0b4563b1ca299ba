// Package post is what Ingot's post-processors have in common: they take an
// image of ingot-image, or what another of them made of one, and keep it.
package post

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
)

// Config is what a template says of a post-processor, with its generated code.
type Config interface {
	FlatMapstructure() interface{ HCL2Spec() map[string]hcldec.Spec }
}

// Processor is a post-processor.
type Processor struct {
	Name   string // that follows "ingot-" in a template
	Config Config
	Check  func() error // of Config; may be nil
	Work   func(context.Context, packersdk.Ui, *image.Source) (*Artifact, error)
}

var _ packersdk.PostProcessor = (*Processor)(nil)

// ConfigSpec implements packersdk.HCL2Speccer.
func (p *Processor) ConfigSpec() hcldec.ObjectSpec { return p.Config.FlatMapstructure().HCL2Spec() }

// Configure implements packersdk.PostProcessor.
func (p *Processor) Configure(raw ...any) error {
	if err := config.Decode(p.Config, nil, raw...); err != nil || p.Check == nil {
		return err
	}
	return p.Check()
}

// PostProcess implements packersdk.PostProcessor. The image that it takes stays
// unless the template says otherwise.
func (p *Processor) PostProcess(ctx context.Context, ui packersdk.Ui, from packersdk.Artifact) (packersdk.Artifact, bool, bool, error) {
	made, err := p.process(ctx, ui, from)
	if err != nil {
		return nil, true, false, definition.Explained(fmt.Errorf("ingot-%s: %w", p.Name, err))
	}
	return made, true, false, nil
}

func (p *Processor) process(ctx context.Context, ui packersdk.Ui, from packersdk.Artifact) (*Artifact, error) {
	source, err := image.Open(from)
	if err != nil {
		return nil, err
	}
	made, err := p.Work(ctx, ui, source)
	if err != nil {
		return nil, err
	}
	made.Made = append(source.Made, made.Made...)
	return made, made.follow(from)
}
