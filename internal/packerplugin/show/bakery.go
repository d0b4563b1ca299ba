package show

import (
	"cmp"
	"context"
	"os"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/pki"
)

// Place is what a template, and the plugin, say of where a cluster is baked.
type Place struct {
	IdentityFile string // $INGOT_IDENTITY_FILE if it is empty
	Dir          string // for the images
	Offline      bool
	Version      string // of ingot
}

// Bakery is that place, with all that happens there told to Packer.
func (p Place) Bakery(ui packersdk.Ui, c *cluster.Cluster) (*bakery.Bakery, error) {
	identity := cmp.Or(p.IdentityFile, os.Getenv("INGOT_IDENTITY_FILE"))
	store, err := pki.Open(c, pki.Options{IdentityFile: identity, Log: logger(ui)})
	if err != nil {
		return nil, err
	}
	return &bakery.Bakery{
		Cluster: c, Keys: store, Dir: p.Dir, Version: p.Version, Offline: p.Offline,
		Progress: Progress(ui), Warn: func(message string) { ui.Say("warning: " + message) }, Say: ui.Say, Now: time.Now,
		Ensure: func(ctx context.Context) error {
			_, err := store.Ensure(ctx, pki.EnsureOptions{Progress: func(c pki.Change) { ui.Say(c.String()) }})
			return err
		},
	}, nil
}
