package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/spf13/cobra"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show or tidy what bakes have left to go faster",
		Long: "The cache is a folder in the user's own ($XDG_CACHE_HOME/ingot): downloads and finished steps of bakes.\n" +
			"It may be removed at any time; the next bake makes again what it needs.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.cacheListCommand(), a.cachePruneCommand())
	return cmd
}

func (a *app) cacheListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List what is in the cache, the most recently used first",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cache, err := bakery.OpenCache()
			if err != nil {
				return err
			}
			entries, err := step.List(cache)
			if err != nil {
				return err
			}
			if asJSON {
				if entries == nil {
					entries = []step.Entry{}
				}
				return a.printJSON(entries)
			}
			for _, e := range entries {
				a.print("%-16s %9s  %s  %.12s", e.Name, megabytes(e.Size), e.Used.UTC().Format(time.DateTime), e.Key)
			}
			a.say("%s", cache.Dir())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "list as JSON")
	return cmd
}

// pruneAge is what people who do not say otherwise keep: longer than the time
// between two bakes of most clusters.
const pruneAge = "30d"

func (a *app) cachePruneCommand() *cobra.Command {
	var age string
	var all bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove from the cache what was not used for a while",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := cluster.ParseDuration(age)
			if err != nil {
				return &usageError{command: cmd.CommandPath(), err: fmt.Errorf("reading --older-than: %w", err)}
			}
			if all {
				d = 0
			}
			cache, err := bakery.OpenCache()
			if err != nil {
				return err
			}
			freed, err := step.Prune(cache, time.Now().Add(-d.Std()))
			if errors.Is(err, step.ErrBusy) {
				return withHint(fmt.Errorf("pruning the cache: %w", err), "run it again when the bake has ended")
			}
			if err != nil {
				return err
			}
			a.print("freed %s", megabytes(freed))
			return nil
		},
	}
	cmd.Flags().StringVar(&age, "older-than", pruneAge, "how long ago it was last used: 36h, 30d")
	cmd.Flags().BoolVar(&all, "all", false, "remove everything")
	return cmd
}
