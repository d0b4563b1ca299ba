package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/internal/generate"
	"github.com/ingot-k8s/ingot/internal/nodeprogram"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

// maxConfigISO is more than a config ISO has, in bytes.
const maxConfigISO = 64 << 20

type bootISOFlags struct {
	node, output            string
	offline, asJSON, dryRun bool
}

func (a *app) bootISOCommand() *cobra.Command {
	var f bootISOFlags
	cmd := &cobra.Command{
		Use:   "boot-iso CLUSTER",
		Short: "Make a boot ISO, which runs the image or installs it",
		Long: "Bakes what is missing of the image, as ingot images does, and writes it as one ISO that BIOS and UEFI start\n" +
			"from a CD, or from a USB stick that it is written to as it is: out/CLUSTER/images/CLUSTER-ID.iso.\n" +
			"With --node the node's identity rides on it: out/CLUSTER/nodes/NODE/boot.iso, which holds the node's keys.\n" +
			"Without, the machine takes its identity from a config ISO or whatever else its platform has.\n" +
			"The same definition, lock and keys give the same bytes.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bootISO(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.node, "node", "", "put the identity of this node on it, which is made if it is missing")
	cmd.Flags().StringVar(&f.output, "output", "", "write this file instead")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "use nothing but the lock and the cache")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "say what was made as JSON")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be written, and write nothing")
	return cmd
}

func (a *app) bootISO(ctx context.Context, name string, f bootISOFlags) error {
	var nodes []string
	if f.node != "" {
		nodes = []string{f.node}
	}
	c, store, err := a.open(name, nodes)
	if err != nil {
		return err
	}
	if f.output != "" {
		// Before minutes are spent on what has no place.
		if _, err := os.Stat(filepath.Dir(f.output)); err != nil {
			return fmt.Errorf("looking for the folder of --output: %w", err)
		}
	}
	place := a.bakery(c, store, f.offline)
	if err := a.check(place); err != nil {
		return err
	}
	if f.dryRun {
		return a.bootISODryRun(c, store, f)
	}
	b, err := place.Open(ctx)
	if err != nil {
		return a.lockError(storeHint(err))
	}
	defer func() { _ = b.Store.Close() }() // it only unlocks
	o := builder.BootISOOptions{Path: f.output}
	if f.node != "" {
		if err := a.nodeISO(ctx, c, store, f.node, &o); err != nil {
			return err
		}
	}
	made, err := builder.WriteBootISO(ctx, *b, o)
	if err != nil {
		return a.lockError(err)
	}
	if f.asJSON {
		return a.printJSON(made)
	}
	a.print("%s  written, %s", made.Path, megabytes(made.Size))
	a.nextBootISO(c, f.node)
	return nil
}

// nodeISO makes the identity of a node where it is missing, and reads its config
// ISO.
func (a *app) nodeISO(ctx context.Context, c *cluster.Cluster, store *pki.Store, node string, o *builder.BootISOOptions) error {
	result, err := generate.Identities(ctx, generate.Config{Cluster: c, Store: store, Nodes: []string{node}, Dir: filepath.Join(a.out, c.Def.Name)})
	if err != nil {
		return err
	}
	dir := result.Nodes[0].Dir
	if o.Path == "" {
		o.Path = filepath.Join(dir, "boot.iso")
	}
	if o.Config, err = atomicfile.ReadFile(filepath.Join(dir, "config.iso"), maxConfigISO); err != nil {
		return fmt.Errorf("reading the identity of node %q: %w", node, err)
	}
	return nil
}

// nextBootISO says what is to be done with a boot ISO.
func (a *app) nextBootISO(c *cluster.Cluster, node string) {
	if c.Def.Image.Kernel == "cloud" {
		a.say("warning: the cloud kernel has no drivers for USB and SATA: this ISO starts from CD drives of virtual machines only; image: {kernel: generic} is for all others")
	}
	if node != "" {
		a.say("warning: it holds the private keys of %s: keep it from others, and wipe the stick when the machine has read it", node)
		a.say("next: start the machine of %s from it; docs/how-to/metal.md", node)
		return
	}
	a.say("next: start a machine from it that finds its identity elsewhere, such as the config.iso of ingot iso; docs/how-to/metal.md")
}

// bootISOPlan says what would be written.
type bootISOPlan struct {
	Path    string   `json:"path"`
	Cluster string   `json:"cluster"`
	ID      string   `json:"id,omitempty"` // of the image; empty where it follows from what is missing
	Node    string   `json:"node,omitempty"`
	Missing []string `json:"missing,omitempty"` // what would be made first
}

func (a *app) bootISODryRun(c *cluster.Cluster, store *pki.Store, f bootISOFlags) error {
	p := bootISOPlan{Path: f.output, Cluster: c.Def.Name, Node: f.node}
	locked, err := a.oldLock(c)
	if err != nil {
		return err
	}
	if locked == nil {
		p.Missing = append(p.Missing, filepath.Join(c.Dir, lock.File))
	}
	cfg := builder.Config{Cluster: c, Lock: locked, Environ: os.Environ()}
	if bakery.Public(&cfg, store) != nil { // not there, or not whole
		p.Missing = append(p.Missing, "keys and certificates")
	}
	if len(p.Missing) == 0 {
		if cfg.Program, err = nodeprogram.Program(); err != nil {
			return advised(err)
		}
		if p.ID, err = builder.Identify(cfg); err != nil {
			return err
		}
	}
	if p.Path == "" {
		p.Path = a.bootISOPath(c, p.ID, f.node)
	}
	if f.asJSON {
		return a.printJSON(p)
	}
	for _, missing := range p.Missing {
		a.print("would make: %s", missing)
	}
	what := "image " + p.ID
	if p.ID == "" {
		what = "an image whose ID follows from that"
	}
	if p.Node != "" {
		what += ", with the identity of " + p.Node
	}
	a.print("would write: %s, a boot ISO of %s", p.Path, what)
	return nil
}

// bootISOPath is where a boot ISO is written by itself.
func (a *app) bootISOPath(c *cluster.Cluster, id, node string) string {
	dir := filepath.Join(a.out, c.Def.Name)
	if node != "" {
		return filepath.Join(dir, "nodes", node, "boot.iso")
	}
	if id == "" {
		id = "ID"
	}
	return filepath.Join(dir, "images", c.Def.Name+"-"+id+".iso")
}
