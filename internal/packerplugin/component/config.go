//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config,CleanConfig

package component

import (
	"fmt"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
)

// Where Debian packages come from.
const (
	fromLock    = "lock"
	fromMachine = "machine"
)

// Config is what a template says of a component.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// Folder of a cluster definition, or its file.
	Cluster string `mapstructure:"cluster" required:"true"`
	// File with the age identity or SSH key that opens the key store;
	// $INGOT_IDENTITY_FILE or that in the user's config folder if it is not given.
	IdentityFile string `mapstructure:"identity_file"`
	// Program that becomes root, with its arguments, where the communicator's
	// user is not: ["sudo", "--non-interactive"].
	Elevate []string `mapstructure:"elevate"`
	// Where Debian packages come from: "lock", the versions of the definition's
	// lock, which are sent to the machine, or "machine", its own sources. The
	// default is "lock".
	Packages string `mapstructure:"packages"`
	// Use nothing but the lock and the cache.
	Offline bool `mapstructure:"offline"`
}

// decode reads a template's values, and the definition that they name.
func (c *Config) decode(raw []any) (*cluster.Cluster, error) {
	if err := config.Decode(c, nil, raw...); err != nil {
		return nil, err
	}
	switch c.Packages {
	case "":
		c.Packages = fromLock
	case fromLock, fromMachine:
	default:
		return nil, fmt.Errorf("packages: %q (%s, %s)", c.Packages, fromLock, fromMachine)
	}
	loaded, _, err := definition.Load(c.Cluster)
	return loaded, err
}
