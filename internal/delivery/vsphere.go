package delivery

import (
	"fmt"
	"path/filepath"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish/vsphere"
)

// VSphere is how a server is reached. What is empty is as the environment and
// the definition have it.
type VSphere struct {
	CredentialsFile string // with user and password
	CAFile          string // with the authority of the server's certificate
	Thumbprint      string // of that certificate

	Getenv func(string) string
}

// Config is how the server is reached, and which of it the definition names,
// without an image, progress and a clock.
func (v *VSphere) Config(c *cluster.Cluster) (*vsphere.Config, error) {
	where := c.Def.Publish.VSphere
	if where == nil {
		return nil, advise(fmt.Errorf("%s has no publish.vsphere", c.File), "docs/how-to/esxi.md shows what belongs there")
	}
	cfg := &vsphere.Config{
		Cluster: c.Def.Name, Where: *where,
		Credentials: vsphere.CredentialsFromEnv(v.Getenv),
		Trust:       vsphere.Trust{Thumbprint: where.Thumbprint},
	}
	if where.CAFile != "" {
		cfg.Trust.CAFile = filepath.Join(c.Dir, where.CAFile)
	}
	// What is asked for goes before both of the definition.
	if v.CAFile != "" || v.Thumbprint != "" {
		cfg.Trust = vsphere.Trust{CAFile: v.CAFile, Thumbprint: v.Thumbprint}
	}
	var err error
	if v.CredentialsFile != "" {
		cfg.Credentials, err = vsphere.ReadCredentials(v.CredentialsFile)
	}
	return cfg, err
}
