package apply

import (
	"context"
	"slices"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// Components puts the layers of components of a cluster onto a machine, or of
// all where none is named, with their programs. Debian packages are those of the
// lock, or come from the machine's own sources.
func Components(ctx context.Context, m Machine, place *bakery.Bakery, ownSources bool, names ...string) error {
	if err := Supported(ctx, m, place.Cluster.Def.Image.Debian); err != nil {
		return err // before programs are compiled
	}
	cfg, err := place.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = cfg.Store.Close() }() // it only unlocks
	layers, err := provisioners.All(cfg.Cluster, cfg.Public)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		layers = slices.DeleteFunc(layers, func(l layer.Layer) bool { return !slices.Contains(names, l.Name) })
	}
	var needed []string
	for _, l := range layers {
		needed = append(needed, l.Components...)
	}
	programs, err := builder.Programs(ctx, *cfg, needed)
	if err != nil {
		return err
	}
	c := Config{Cluster: cfg.Cluster, Layers: layers, Programs: programs, Date: cfg.Lock.Date, Say: place.Say}
	if !ownSources {
		c.Packages = packagesOf(cfg)
	}
	return Apply(ctx, m, c)
}

// packagesOf are the packages of the lock.
func packagesOf(cfg *builder.Config) *Packages {
	out := &Packages{
		Versions: map[string]string{},
		Archive:  func(ctx context.Context, dir string) error { return builder.Archive(ctx, *cfg, dir) },
	}
	for _, p := range cfg.Lock.Debian.Packages {
		out.Versions[p.Name] = p.Version
	}
	return out
}
