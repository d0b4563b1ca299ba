package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/generate"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

func (a *app) isoCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "iso CLUSTER [NODE...]",
		Short: "Make the identities and config ISOs of nodes",
		Long: "Makes what is missing of the PKI, then a folder for each node in out/CLUSTER/nodes: the configuration,\n" +
			"the config ISO and the same for platforms without a drive; and the admin kubeconfig in out/CLUSTER.\n" +
			"With NODE only these are made. Running it again changes only what no longer fits the definition.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.iso(cmd.Context(), args[0], args[1:], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "say what was made as JSON")
	return cmd
}

func (a *app) iso(ctx context.Context, name string, nodes []string, asJSON bool) error {
	c, store, err := a.open(name, nodes)
	if err != nil {
		return err
	}
	issue, count := []string(nil), len(c.Nodes)
	if len(nodes) > 0 {
		missing, err := generate.MissingPeers(c, store, nodes)
		if err != nil {
			return err
		}
		issue, count = append(missing, nodes...), len(nodes)
	}
	if _, err := a.ensure(ctx, store, issue); err != nil {
		return err
	}
	bar := a.progress("writing identities", count)
	result, err := generate.Identities(ctx, generate.Config{
		Cluster: c, Store: store, Nodes: nodes, Dir: filepath.Join(a.out, c.Def.Name),
		Done: func(generate.Node) { bar.step() },
	})
	bar.end()
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		if result.Kubeconfig, err = a.adminKubeconfig(ctx, c, store); err != nil {
			return err
		}
	}
	if asJSON {
		return a.printJSON(result)
	}
	for _, n := range result.Nodes {
		state := "unchanged"
		if n.Changed {
			state = "written"
		}
		a.print("%s  %s, identity of %d bytes", n.Dir, state, n.Size)
	}
	if result.Kubeconfig != "" {
		a.print("%s", result.Kubeconfig)
	}
	left, err := generate.Leftovers(c, filepath.Join(a.out, c.Def.Name))
	if err != nil {
		return err
	}
	for _, dir := range left {
		a.say("warning: %s is of a node that is not in the definition any more, and holds its private keys; remove it", dir)
	}
	a.say("next: attach config.iso of each folder to its machine and start it; ingot inspect FILE shows what is in it")
	return nil
}

// adminKubeconfig keeps the admin's kubeconfig beside the nodes' folders.
func (a *app) adminKubeconfig(ctx context.Context, c *cluster.Cluster, store *pki.Store) (string, error) {
	text, err := a.kubeconfigText(ctx, c, store, kubeconfigFlags{name: "admin"})
	if err != nil {
		return "", err
	}
	path := filepath.Join(a.out, c.Def.Name, "kubeconfig")
	old, err := atomicfile.ReadFile(path, maxKubeconfig)
	if err == nil && bytes.Equal(old, text) {
		return path, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, atomicfile.Write(path, text, 0o600)
}
