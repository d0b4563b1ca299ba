package cli

import (
	"context"
	"errors"

	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/spf13/cobra"
)

// labEach is a command that does something to nodes of a lab, one after
// another.
func (a *app) labEach(use, short, long, done string, do func(context.Context, *control.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, client, err := a.labOf(args[0], args[1:]...)
			if err != nil {
				return err
			}
			for _, name := range args[1:] {
				if err := do(cmd.Context(), client, name); err != nil {
					return labError(c, err)
				}
				a.print("%s: %s", name, done)
			}
			return nil
		},
	}
}

func (a *app) labKillCommand() *cobra.Command {
	return a.labEach("kill CLUSTER NODE...", "Cut the power of machines",
		"Cuts the power, as if the plug was pulled: what a machine had not flushed to its disk is lost.\n"+
			"\"ingot lab start\" turns it on again.",
		"its power was cut", func(ctx context.Context, client *control.Client, name string) error {
			err := client.Kill(ctx, name)
			if errors.Is(err, lab.ErrPower) {
				return withHint(err, "ingot lab start turns it on")
			}
			return err
		})
}

func (a *app) labStartCommand() *cobra.Command {
	var o lab.Options
	cmd := a.labEach("start CLUSTER NODE...", "Turn machines on: nodes that are off, or spares",
		"Turns machines on, with the disks that they had, or with none yet. Of the same identity, a machine with a fresh\n"+
			"disk replaces the one that it was.",
		"on", func(ctx context.Context, client *control.Client, name string) error {
			err := client.Start(ctx, name, o)
			if errors.Is(err, lab.ErrPower) {
				return withHint(err, "ingot lab kill cuts its power")
			}
			return err
		})
	cmd.Flags().BoolVar(&o.FreshDisk, "fresh-disk", false, "throw away the machine's disk")
	return cmd
}

func (a *app) labCutCommand() *cobra.Command {
	return a.labEach("cut CLUSTER NODE...", "Cut machines off from the network",
		"Drops all packets from and to machines, as a broken switch would, until \"ingot lab heal\".",
		"cut off", func(ctx context.Context, client *control.Client, name string) error { return client.Cut(ctx, name) })
}

func (a *app) labHealCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "heal CLUSTER [NODE...]",
		Short:             "Connect machines again that were cut off",
		Long:              "Connects machines with the network again that were cut off from it: NODE, or all of them.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, client, err := a.labOf(args[0], args[1:]...)
			if err != nil {
				return err
			}
			if err := client.Heal(cmd.Context(), args[1:]...); err != nil {
				return labError(c, err)
			}
			if len(args) > 1 {
				a.print("connected: %s", list(args[1:]))
			} else {
				a.print("connected: all machines")
			}
			return nil
		},
	}
}
