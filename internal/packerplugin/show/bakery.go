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

// Options are what a template, and the plugin, say of where a cluster is baked.
type Options struct {
	IdentityFile string // $INGOT_IDENTITY_FILE if it is empty
	Dir          string // for the images
	Offline      bool
	Version      string // of ingot
}

// Bakery is where a cluster is baked. What happens there is told to Packer.
func Bakery(ui packersdk.Ui, c *cluster.Cluster, o Options) (*bakery.Bakery, error) {
	identity := cmp.Or(o.IdentityFile, os.Getenv("INGOT_IDENTITY_FILE"))
	store, err := pki.Open(c, pki.Options{IdentityFile: identity, Log: logger(ui)})
	if err != nil {
		return nil, err
	}
	return &bakery.Bakery{
		Cluster: c, Keys: store, Dir: o.Dir, Version: o.Version, Offline: o.Offline,
		Progress: Progress(ui), Warn: func(message string) { ui.Say("warning: " + message) }, Say: ui.Say, Now: time.Now,
		Ensure: func(ctx context.Context) error {
			_, err := store.Ensure(ctx, pki.EnsureOptions{Progress: func(c pki.Change) { ui.Say(c.String()) }})
			return err
		},
	}, nil
}
