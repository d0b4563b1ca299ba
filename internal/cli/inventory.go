package cli

import (
	"strings"

	"github.com/ingot-k8s/ingot/cluster/inventory"
	"github.com/spf13/cobra"
)

func (a *app) inventoryCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "inventory CLUSTER",
		Short: "List the nodes for people, Ansible, /etc/hosts or a DNS zone",
		Long: "Lists the nodes of a cluster:\n" +
			"  table    for people\n" +
			"  json     for scripts\n" +
			"  ansible  a YAML inventory: groups by role and zone, a bastion for nodes without an address\n" +
			"  hosts    lines for /etc/hosts with the mesh addresses\n" +
			"  dns      zone records for nodes, masters, edges, the API and the wildcard name",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("--output", format, inventory.Formats()); err != nil {
				return &usageError{command: cmd.CommandPath(), err: err}
			}
			c, err := a.load(args[0])
			if err != nil {
				return err
			}
			return inventory.Render(a.stdout, c, format)
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "table", "one of "+strings.Join(inventory.Formats(), ", "))
	return cmd
}
