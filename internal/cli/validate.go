package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate CLUSTER...",
		Short: "Check definitions and say everything that is wrong with them",
		Long: "Checks definitions without making anything. All problems are said at once, each with file, line and\n" +
			"column. Exit status 2 when there is an error; warnings alone do not fail.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(_ *cobra.Command, args []string) error {
			var first error
			for _, arg := range args {
				c, err := a.load(arg)
				if err != nil {
					if first == nil {
						first = err
					}
					continue
				}
				a.print("%s: valid: %s and %s", c.File, plural(len(c.Def.Nodes), "node"), plural(c.Def.Spares, "spare"))
			}
			return first
		},
	}
}
