package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/internal/generate"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

type imagesFlags struct {
	only            []string
	nodes           []string
	offline, asJSON bool
}

func (a *app) imagesCommand() *cobra.Command {
	var f imagesFlags
	cmd := &cobra.Command{
		Use:   "images CLUSTER",
		Short: "Bake the image of a cluster",
		Long: "Bakes the one image that all nodes of a cluster run: out/CLUSTER/images/CLUSTER-ID.FORMAT, for each format\n" +
			"that the definition's targets take, with a manifest, checksums and a bill of materials.\n" +
			"Needs no root and no virtual machine. The first bake makes lock.yaml, if there is none, and compiles\n" +
			"Kubernetes; later ones take from the cache what did not change. The same definition, lock and public\n" +
			"part of the PKI give the same bytes, on any machine.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.images(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "write only these formats: raw, qcow2, vmdk, ova, raw.gz")
	cmd.Flags().StringSliceVar(&f.nodes, "node-iso", nil, "also make the identity and config ISO of these nodes")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "use nothing but the lock and the cache")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "say what was made as JSON: the manifest")
	return cmd
}

func (a *app) images(ctx context.Context, name string, f imagesFlags) error {
	var formats []builder.Format
	for _, s := range f.only {
		format, err := builder.ParseFormat(s)
		if err != nil {
			return &usageError{command: "ingot images", err: fmt.Errorf("reading --only: %w", err)}
		}
		formats = append(formats, format)
	}
	// What can be wrong is looked for before keys, a lock or a cache are made.
	c, store, err := a.open(name, f.nodes)
	if err != nil {
		return err
	}
	place := a.bakery(c, store, f.offline)
	if err := a.check(place); err != nil {
		return err
	}
	b, err := place.Open(ctx)
	if err != nil {
		return a.lockError(storeHint(err))
	}
	defer func() { _ = b.Store.Close() }() // it only unlocks
	b.Formats = formats
	result, err := builder.Bake(ctx, *b)
	if err != nil {
		return a.lockError(err)
	}
	if len(f.nodes) > 0 {
		if _, err := generate.Identities(ctx, generate.Config{
			Cluster: c, Store: store, Nodes: f.nodes, Dir: filepath.Join(a.out, c.Def.Name),
		}); err != nil {
			return err
		}
	}
	if f.asJSON {
		return a.printJSON(result.Manifest)
	}
	a.printImages(c, result, b.Dir, f.nodes)
	return nil
}

// bakery is where a cluster is baked.
func (a *app) bakery(c *cluster.Cluster, store *pki.Store, offline bool) *bakery.Bakery {
	shown := a.steps()
	return &bakery.Bakery{
		Cluster: c, Keys: store, Dir: filepath.Join(a.out, c.Def.Name, "images"), Version: Version, Offline: offline,
		Progress: shown, Warn: shown.warn, Say: func(message string) { a.say("%s", message) },
		Ensure: func(ctx context.Context) error {
			_, err := a.ensure(ctx, store, nil)
			return err
		},
		Now: time.Now,
	}
}

// check looks for what would go wrong later, and shows it.
func (a *app) check(b *bakery.Bakery) error {
	report, err := b.Check()
	if report == nil {
		return a.lockError(err)
	}
	if werr := report.Write(a.stderr); werr != nil {
		return fmt.Errorf("writing problems: %w", werr)
	}
	return advised(err)
}

func (a *app) printImages(c *cluster.Cluster, r *builder.Result, dir string, nodes []string) {
	state := "written"
	if r.Unchanged {
		state = "unchanged"
	}
	for _, f := range r.Manifest.Files {
		a.print("%s  %s, %s", filepath.Join(dir, f.Name), state, megabytes(f.Size))
	}
	iso := filepath.Join(a.out, c.Def.Name, "nodes")
	if len(nodes) > 0 {
		a.say("next: start a machine from the image with %s attached", filepath.Join(iso, nodes[0], "config.iso"))
		return
	}
	a.say("next: ingot iso %s makes each node's config.iso; start a machine from the image with it attached: %s",
		c.Def.Name, strings.Join(howTo(c), ", "))
}

// howTo names the pages for the targets of a definition.
func howTo(c *cluster.Cluster) []string {
	var out []string
	for _, t := range c.Def.Image.Targets {
		out = append(out, "docs/how-to/"+t+".md")
	}
	return out
}
