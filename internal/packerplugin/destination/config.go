//go:generate go tool packer-sdc mapstructure-to-hcl2 -type DigitalOceanConfig,VSphereConfig

package destination

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/common"
)

// DigitalOceanConfig is what a template says of DigitalOcean. Secrets are no part
// of it.
type DigitalOceanConfig struct {
	common.PackerConfig `mapstructure:",squash"`

	// Regions by their slugs, such as fra1; those of the definition if none are
	// given. The image is imported in the first and brought to the others.
	Regions []string `mapstructure:"regions"`
	// Bucket for the upload; the definition's if it is not given.
	Bucket string `mapstructure:"bucket"`
	// Address of the bucket's S3 service; the definition's, or Spaces in the first
	// region, if it is not given.
	Endpoint string `mapstructure:"endpoint"`
	// File of mode 0600 with the token; $DIGITALOCEAN_TOKEN if it is not given.
	TokenFile string `mapstructure:"token_file"`
	// File of mode 0600 with the bucket's access key and secret key, a line each;
	// $SPACES_ACCESS_KEY_ID and $SPACES_SECRET_ACCESS_KEY if it is not given.
	S3KeyFile string `mapstructure:"s3_key_file"`
	// Leave the upload in the bucket.
	KeepUpload bool `mapstructure:"keep_upload"`
	// Make a snapshot, too, of a Droplet that has started once.
	Snapshot bool `mapstructure:"snapshot"`
	// How long to wait for each thing; an hour if it is not given.
	Timeout time.Duration `mapstructure:"timeout"`
}

// VSphereConfig is what a template says of vSphere. Secrets are no part of it.
type VSphereConfig struct {
	common.PackerConfig `mapstructure:",squash"`

	// File of mode 0600 with GOVC_USERNAME=... and GOVC_PASSWORD=...; the
	// environment if it is not given.
	CredentialsFile string `mapstructure:"credentials_file"`
	// PEM file with the authority of the server's certificate; the definition's,
	// or those of this machine, if it is not given.
	CAFile string `mapstructure:"ca_file"`
	// SHA-256 of the server's certificate, the only one that is then accepted; the
	// definition's if it is not given.
	Thumbprint string `mapstructure:"thumbprint"`
}

// private refuses files that others than their owner may read. What is not there
// may come before the build.
func private(files ...string) error {
	var wrong []error
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
			wrong = append(wrong, fmt.Errorf("%s has mode %04o: others may read it; want 0600", file, info.Mode().Perm()))
		}
	}
	return errors.Join(wrong...)
}
