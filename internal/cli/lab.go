package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Run a whole cluster in local QEMU machines",
		Long: "Runs the nodes of a cluster as QEMU machines of this host, from the baked image and the config ISOs, on a\n" +
			"network of their own. It needs no root and leaves the host's network alone: what is reachable is on 127.0.0.1.\n" +
			"The machines belong to a process in the background, which \"ingot lab up\" starts and \"ingot lab down\" ends;\n" +
			"however it ends, they end with it. All that they write is in out/CLUSTER/lab.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.labUpCommand(), a.labServeCommand(), a.labStatusCommand(), a.labDownCommand(),
		a.labConsoleCommand(), a.labSSHCommand(), a.labLogsCommand(),
		a.labKillCommand(), a.labStartCommand(), a.labCutCommand(), a.labHealCommand(),
	)
	return cmd
}

// labDir is the folder of a cluster's lab.
func (a *app) labDir(c *cluster.Cluster) string { return filepath.Join(a.out, c.Def.Name, "lab") }

// labOf loads a definition, checks that it has the nodes, and gives a client
// for the cluster's lab.
func (a *app) labOf(name string, nodes ...string) (*cluster.Cluster, *control.Client, error) {
	c, err := a.load(name)
	if err != nil {
		return nil, nil, err
	}
	if err := knownNodes(c, nodes); err != nil {
		return nil, nil, err
	}
	return c, control.New(a.labDir(c)), nil
}

// labError adds what to do where a lab is not up.
func labError(c *cluster.Cluster, err error) error {
	if errors.Is(err, control.ErrDown) {
		return withHint(fmt.Errorf("the lab of cluster %q is not up", c.Def.Name), "ingot lab up %s", c.Def.Name)
	}
	return err
}

// isTerminal reports whether a person sits at a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// list names things in a sentence.
func list(names []string) string { return strings.Join(names, ", ") }
