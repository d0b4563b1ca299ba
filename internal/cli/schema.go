package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/spf13/cobra"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of cluster definitions, for editors",
		Long: "Prints the JSON Schema of cluster.yaml. An editor with a YAML language server uses it when the\n" +
			"definition's first line is: # yaml-language-server: $schema=cluster.schema.json",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := cluster.Schema()
			if err != nil {
				return fmt.Errorf("making schema: %w", err)
			}
			_, err = a.stdout.Write(schema)
			return err
		},
	}
}

// oneOf checks the value of a flag that takes one of a few words.
func oneOf(flag, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %q is unknown (%s)", flag, value, strings.Join(allowed, ", "))
}
