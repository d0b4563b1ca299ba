//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

package image

import (
	"path/filepath"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
)

// Config is what a template says of an image.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// Folder of a cluster definition, or its file.
	Cluster string `mapstructure:"cluster" required:"true"`
	// Folder for the images; out/CLUSTER/images if it is not given.
	OutputDirectory string `mapstructure:"output_directory"`
	// Formats to write: raw, qcow2, vmdk, ova, raw.gz. Those that the
	// definition's targets take if none are given.
	Formats []string `mapstructure:"formats"`
	// File with the age identity or SSH key that opens the key store;
	// $INGOT_IDENTITY_FILE or that in the user's config folder if it is not given.
	IdentityFile string `mapstructure:"identity_file"`
	// Use nothing but the lock and the cache.
	Offline bool `mapstructure:"offline"`
}

// decode reads a template's values, and the definition that they name.
func (c *Config) decode(raw []any) (*cluster.Cluster, []builder.Format, []string, error) {
	if err := config.Decode(c, nil, raw...); err != nil {
		return nil, nil, nil, err
	}
	var formats []builder.Format
	for _, name := range c.Formats {
		f, err := builder.ParseFormat(name)
		if err != nil {
			return nil, nil, nil, err
		}
		formats = append(formats, f)
	}
	loaded, warnings, err := definition.Load(c.Cluster)
	if err != nil {
		return nil, nil, nil, err
	}
	if c.OutputDirectory == "" {
		c.OutputDirectory = filepath.Join("out", loaded.Def.Name, "images")
	}
	return loaded, formats, warnings, nil
}
