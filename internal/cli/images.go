package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/leak"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/preflight"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/generate"
	"github.com/ingot-k8s/ingot/internal/nodeprogram"
	"github.com/ingot-k8s/ingot/internal/run"
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
	locked, err := a.fittingLock(c, f.offline)
	if err != nil {
		return err
	}
	if err := a.preflight(c); err != nil {
		return err
	}
	b, err := a.bakery(c, f.offline)
	if err != nil {
		return err
	}
	defer func() { _ = b.Store.Close() }() // it only unlocks
	if _, err := a.ensure(ctx, store, nil); err != nil {
		return err
	}
	if err := keys(b, store); err != nil {
		return err
	}
	if b.Lock = locked; b.Lock == nil {
		if b.Lock, err = a.firstLock(ctx, c); err != nil {
			return err
		}
	}
	b.Formats = formats
	b.Dir = filepath.Join(a.out, c.Def.Name, "images")
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

// bakery gathers what a bake of a cluster needs but its keys and its lock. The
// caller closes the store.
func (a *app) bakery(c *cluster.Cluster, offline bool) (*builder.Config, error) {
	program, err := nodeprogram.Program()
	if err != nil {
		return nil, a.lockError(err)
	}
	cache, err := openCache()
	if err != nil {
		return nil, err
	}
	kept, err := step.Open(cache)
	if err != nil {
		return nil, err
	}
	shown := a.steps()
	kept.Warn = shown.warn
	kept.Wait = func(step string) { shown.Say(step, "waiting for another bake, which is at it") }
	return &builder.Config{
		Cluster: c, Program: program, Version: Version, Traces: traces(),
		Store: kept, Runner: run.Exec{}, Environ: os.Environ(), Root: os.Geteuid() == 0, Offline: offline,
		Progress: shown, Warn: shown.warn, Now: time.Now,
	}, nil
}

// keys adds the public part of the key store, and what of the rest must not be
// in the image.
func keys(b *builder.Config, store *pki.Store) (err error) {
	if b.Public, err = store.Public(); err != nil {
		return err
	}
	b.Secrets, err = store.Secrets()
	return storeHint(err)
}

// traces are this machine and who sits here. What cannot be known is not looked
// for.
func traces() leak.Traces {
	var t leak.Traces
	if name, err := os.Hostname(); err == nil {
		t.Host = name
	}
	if u, err := user.Current(); err == nil {
		t.User = u.Username
	}
	if home, err := os.UserHomeDir(); err == nil {
		t.Home = home
	}
	return t
}

// fittingLock gives the lock of a cluster, or nil where there is none.
func (a *app) fittingLock(c *cluster.Cluster, offline bool) (*lock.Lock, error) {
	old, err := a.oldLock(c)
	switch {
	case err != nil:
		return nil, err
	case old == nil && offline:
		return nil, withHint(fmt.Errorf("%s is missing, and without network it cannot be made", filepath.Join(c.Dir, lock.File)),
			"run ingot lock %s where there is a network", c.Def.Name)
	case old != nil && !old.Fits(c):
		return nil, withHint(fmt.Errorf("%s does not have what the definition asks for", filepath.Join(c.Dir, lock.File)),
			"ingot lock %s adds what is missing and keeps the versions of the rest", c.Def.Name)
	}
	return old, nil
}

// firstLock makes a lock.
func (a *app) firstLock(ctx context.Context, c *cluster.Cluster) (*lock.Lock, error) {
	a.say("making %s: every input by version and hash", filepath.Join(c.Dir, lock.File))
	made, err := a.makeLock(ctx, c, nil, false, nil)
	if err != nil {
		return nil, err
	}
	return made, made.Save(c.Dir)
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

// Room that a bake takes at most, in bytes: about twice what was measured with
// all formats and components from source.
const (
	cacheRoom = 4 << 30
	tempRoom  = 2 << 30
	outRoom   = 3 << 30
)

// preflight looks for what would go wrong later, on this machine and on the
// targets, before any work is done.
func (a *app) preflight(c *cluster.Cluster) error {
	cache, err := fetch.DefaultDir()
	if err != nil {
		return err
	}
	report, err := preflight.Check(c, preflight.This(os.Getenv("PATH")), []preflight.Room{
		{What: "the cache", Dir: cache, Bytes: cacheRoom},
		{What: "temporary files", Dir: os.TempDir(), Bytes: tempRoom},
		{What: "images", Dir: a.out, Bytes: outRoom},
	})
	if werr := report.Write(a.stderr); werr != nil {
		return fmt.Errorf("writing problems: %w", werr)
	}
	var advice interface{ Hint() string }
	if errors.As(err, &advice) {
		return withHint(err, "%s", advice.Hint())
	}
	return err
}
