//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

// Package format is Ingot's post-processors for formats: each writes an image of
// ingot-image in one more format.
package format

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
)

// Config is what a template says of a format: nothing of its own.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
}

// Formats lists those that have a post-processor: all that are made of raw.
func Formats() []builder.Format {
	return slices.DeleteFunc(builder.Formats(), func(f builder.Format) bool { return f == builder.Raw })
}

// Name is a format as its post-processor is named.
func Name(f builder.Format) string { return strings.ReplaceAll(string(f), ".", "-") }

// Processor is the post-processor of a format.
type Processor struct {
	Format builder.Format

	config Config
}

var _ packersdk.PostProcessor = (*Processor)(nil)

// ConfigSpec implements packersdk.HCL2Speccer.
func (p *Processor) ConfigSpec() hcldec.ObjectSpec { return p.config.FlatMapstructure().HCL2Spec() }

// Configure implements packersdk.PostProcessor.
func (p *Processor) Configure(raw ...any) error { return config.Decode(&p.config, nil, raw...) }

// PostProcess implements packersdk.PostProcessor. The image that it reads stays
// unless the template says otherwise.
func (p *Processor) PostProcess(ctx context.Context, ui packersdk.Ui, from packersdk.Artifact) (packersdk.Artifact, bool, bool, error) {
	made, err := p.convert(ctx, ui, from)
	if err != nil {
		return nil, true, false, definition.Explained(fmt.Errorf("ingot-%s: %w", Name(p.Format), err))
	}
	return made, true, false, nil
}

func (p *Processor) convert(ctx context.Context, ui packersdk.Ui, from packersdk.Artifact) (*Artifact, error) {
	path, _ := from.State(image.StateManifest).(string)
	file, _ := from.State(image.StateDefinition).(string)
	if path == "" || file == "" {
		return nil, fmt.Errorf("it takes what ingot-image makes, not what %q does", from.BuilderId())
	}
	c, _, err := definition.Load(file)
	if err != nil {
		return nil, err
	}
	m, err := builder.ReadManifest(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	out, err := builder.Convert(ctx, c, m, dir, p.Format)
	if err != nil {
		return nil, err
	}
	ui.Say(fmt.Sprintf("%s  %s", out.SHA256, out.Name))
	return &Artifact{from: from, File: filepath.Join(dir, out.Name)}, nil
}

// Artifact is an image in one format.
type Artifact struct {
	File string

	from packersdk.Artifact // that it was made of
}

var _ packersdk.Artifact = (*Artifact)(nil)

// BuilderId implements packersdk.Artifact.
func (a *Artifact) BuilderId() string { return "ingot.format" } //nolint:revive // the interface has it so

// Id implements packersdk.Artifact.
func (a *Artifact) Id() string { return filepath.Base(a.File) } //nolint:revive // the interface has it so

// Files implements packersdk.Artifact.
func (a *Artifact) Files() []string { return []string{a.File} }

// String implements packersdk.Artifact.
func (a *Artifact) String() string { return "image " + a.File }

// State implements packersdk.Artifact: that of the image it was made of, so that
// post-processors can follow one another.
func (a *Artifact) State(name string) any { return a.from.State(name) }

// Destroy implements packersdk.Artifact.
func (a *Artifact) Destroy() error {
	if err := os.Remove(a.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
