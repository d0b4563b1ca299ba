package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

func (a *app) pkiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pki",
		Short: "Make, renew, list and export keys and certificates",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.pkiInitCommand(), a.pkiIssueCommand(), a.pkiStatusCommand(), a.pkiExportCommand(), a.pkiSignerConfigCommand(), a.pkiRBACCommand())
	return cmd
}

func (a *app) pkiInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init CLUSTER",
		Short: "Make the authorities and the keys that controllers share",
		Long: "Makes the authorities kubernetes, etcd and front-proxy, the service account key and the key that encrypts\n" +
			"Secrets at rest, in the key store beside the definition. What is there is left as it is.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.issue(cmd.Context(), args[0], []string{})
		},
	}
}

func (a *app) pkiIssueCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "issue CLUSTER [NODE...]",
		Short: "Issue what is missing, ends soon or no longer fits the definition",
		Long: "Issues the certificates and mesh keys of all nodes and spares, or of NODE only. Only what is missing, near\n" +
			"its end or no longer what the definition asks for is issued again, and each change is said with its reason.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			nodes := args[1:]
			if len(nodes) == 0 {
				nodes = nil
			}
			return a.issue(cmd.Context(), args[0], nodes)
		},
	}
}

// issue brings the key store up to date for the nodes: nil means all, an empty list none.
func (a *app) issue(ctx context.Context, name string, nodes []string) error {
	_, store, err := a.open(name, nodes)
	if err != nil {
		return err
	}
	changes, err := a.ensure(ctx, store, nodes)
	if err == nil && changes == 0 {
		a.say("nothing to do: everything is there and fits the definition")
	}
	return err
}

// open loads a definition, checks that it has the nodes, and opens its key store.
func (a *app) open(name string, nodes []string) (*cluster.Cluster, *pki.Store, error) {
	c, err := a.load(name)
	if err != nil {
		return nil, nil, err
	}
	if err := knownNodes(c, nodes); err != nil {
		return nil, nil, err
	}
	store, err := pki.Open(c, pki.Options{IdentityFile: a.identity, Log: a.log()})
	return c, store, err
}

// maxTold is how many changes are told one by one when many are made at once.
const maxTold = 50

// ensure issues what is needed and tells each change on stderr.
func (a *app) ensure(ctx context.Context, store *pki.Store, nodes []string) (int, error) {
	told := 0
	changes, err := store.Ensure(ctx, pki.EnsureOptions{Nodes: nodes, Progress: func(c pki.Change) {
		if told++; told <= maxTold || a.verbose {
			a.say("%s", c)
		} else if told == maxTold+1 {
			a.say("... (more with --verbose)")
		}
	}})
	if len(changes) > maxTold {
		a.say("%s in all", plural(len(changes), "change"))
	}
	return len(changes), storeHint(err)
}

// storeHint adds what a person can do about the usual troubles with a store.
func storeHint(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return withHint(err, "the key store, its folder and the folder of the identity must be yours to write")
	default:
		return err
	}
}

// knownNodes checks names of nodes from the command line.
func knownNodes(c *cluster.Cluster, names []string) error {
	for _, name := range names {
		if _, ok := c.Node(name); ok {
			continue
		}
		var all []string
		for i := range c.Nodes {
			all = append(all, c.Nodes[i].Name)
		}
		return withHint(fmt.Errorf("%s has no node %q", c.File, name), "nodes: %s", strings.Join(all, ", "))
	}
	return nil
}
