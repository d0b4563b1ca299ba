package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/ingot-k8s/ingot/internal/epoch"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the manual pages into a folder",
		Long:  "Writes one manual page (section 1) for each command into FOLDER, which is made if need be.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("making folder: %w", err)
			}
			// The date on the pages: the one clock, else the day the format was made.
			date, err := epoch.FromEnv(os.LookupEnv, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
			if err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Date: &date, Source: "ingot " + Version, Manual: "Ingot"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("writing manual pages: %w", err)
			}
			return nil
		},
	}
}
