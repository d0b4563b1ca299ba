package component

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/ingot-k8s/ingot/internal/apply"
)

// CleanName is the provisioner that takes what is one machine's own out of it.
const CleanName = "clean"

// CleanConfig is what a template says of it.
type CleanConfig struct {
	common.PackerConfig `mapstructure:",squash"`

	// Program that becomes root, with its arguments, where the communicator's
	// user is not: ["sudo", "--non-interactive"].
	Elevate []string `mapstructure:"elevate"`
	// Accounts whose passwords no longer open them.
	Lock []string `mapstructure:"lock"`
}

// Cleaner is the provisioner.
type Cleaner struct{ config CleanConfig }

var _ packersdk.Provisioner = (*Cleaner)(nil)

// ConfigSpec implements packersdk.HCL2Speccer.
func (c *Cleaner) ConfigSpec() hcldec.ObjectSpec { return c.config.FlatMapstructure().HCL2Spec() }

// Prepare implements packersdk.Provisioner.
func (c *Cleaner) Prepare(raw ...any) error { return config.Decode(&c.config, nil, raw...) }

// Provision implements packersdk.Provisioner.
func (c *Cleaner) Provision(ctx context.Context, ui packersdk.Ui, comm packersdk.Communicator, data map[string]any) error {
	if data["ConnType"] == "ingot" {
		ui.Say("an image of ingot-image is nobody's machine: nothing to do")
		return nil
	}
	ui.Say("removing what is this machine's own")
	if err := apply.Clean(ctx, &machine{comm: comm, elevate: c.config.Elevate}, c.config.Lock); err != nil {
		return fmt.Errorf("ingot-%s: %w", CleanName, err)
	}
	return nil
}
