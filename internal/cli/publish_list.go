package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/ingot-k8s/ingot/publish"
	"github.com/spf13/cobra"
)

type publishListFlags struct {
	on     []string
	asJSON bool
}

func (a *app) publishListCommand(all []destination) *cobra.Command {
	var f publishListFlags
	cmd := &cobra.Command{
		Use:   "list CLUSTER",
		Short: "List what destinations have of a cluster",
		Long: "Lists images, machines and what belongs to them, of any image of the cluster, at the destinations that the\n" +
			"definition names under publish, or that --on names.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.publishList(cmd.Context(), all, args[0], f)
		},
	}
	cmd.Flags().StringSliceVar(&f.on, "on", nil, "only these destinations")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	for _, d := range all {
		d.flags(cmd.Flags())
	}
	return cmd
}

func (a *app) publishList(ctx context.Context, all []destination, name string, f publishListFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	places, err := chosen(all, c, f.on)
	if err != nil {
		return err
	}
	runs := []*publish.Summary{}
	for _, place := range places {
		d, err := place.open(c, publishRun{progress: a.steps()})
		if err != nil {
			return err
		}
		s, err := d.List(ctx)
		if err != nil {
			return advice(err)
		}
		runs = append(runs, s)
		if len(s.Items) == 0 {
			a.say("%s has nothing of the cluster %q", place.name, c.Def.Name)
		}
	}
	return a.showRuns(runs, f.asJSON)
}

type publishDeleteFlags struct {
	on, images, nodes     []string
	machines, yes, dryRun bool
	asJSON                bool
}

func (a *app) publishDeleteCommand(all []destination) *cobra.Command {
	var f publishDeleteFlags
	cmd := &cobra.Command{
		Use:   "delete CLUSTER",
		Short: "Remove what destinations have of a cluster",
		Long: "Removes the images of a cluster, and with --machines its machines and what belongs to them. What does not\n" +
			"carry the cluster's name as Ingot writes it is never touched. It asks for --yes; --dry-run shows what would go.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.nodes) > 0 && (!f.machines || len(f.images) > 0) {
				return &usageError{command: cmd.CommandPath(), err: errors.New("--node goes with --machines, and without --image: an image is for all nodes")}
			}
			if !f.yes && !f.dryRun {
				return &usageError{command: cmd.CommandPath(), err: errors.New("this removes things for good: --dry-run shows which, --yes does it")}
			}
			return a.publishDelete(cmd.Context(), all, args[0], f)
		},
	}
	cmd.Flags().StringSliceVar(&f.on, "on", nil, "only these destinations")
	cmd.Flags().StringSliceVar(&f.images, "image", nil, "only the images with these ids (default: all of the cluster)")
	cmd.Flags().BoolVar(&f.machines, "machines", false, "also the machines, with their network, names and keys; their data are lost")
	cmd.Flags().StringSliceVar(&f.nodes, "node", nil, "with --machines: only the machines of these nodes, and no image")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do it")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print what would be removed, and remove nothing")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	for _, d := range all {
		d.flags(cmd.Flags())
	}
	return cmd
}

func (a *app) publishDelete(ctx context.Context, all []destination, name string, f publishDeleteFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	places, err := chosen(all, c, f.on)
	if err != nil {
		return err
	}
	runs := []*publish.Summary{}
	var failed []error
	for _, place := range places {
		d, err := place.open(c, publishRun{dryRun: f.dryRun, progress: a.steps()})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		s, err := d.Delete(ctx, publish.Removal{Images: f.images, Machines: f.machines, Nodes: f.nodes})
		if s != nil {
			runs = append(runs, s)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", place.name, err))
		}
	}
	return errors.Join(a.showRuns(runs, f.asJSON), advice(errors.Join(failed...)))
}
