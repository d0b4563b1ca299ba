package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// destination is a place of package publish as the command line has it.
type destination struct {
	name    string
	command *cobra.Command                                                  // ingot publish NAME
	flags   func(*pflag.FlagSet)                                            // how it is reached: for its command, list and delete
	uses    func(*cluster.Cluster) bool                                     // the definition has a section for it
	open    func(*cluster.Cluster, publishRun) (publish.Destination, error) // for list and delete
}

// publishRun is what all destinations are told of a run.
type publishRun struct {
	dryRun   bool
	progress publish.Progress
}

// destinations are those that there are.
func (a *app) destinations() []destination {
	return []destination{
		a.digitalOcean(),
		a.vSphere(),
	}
}

func (a *app) publishCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Bring the image, and the machines, to where they run",
		Long: "Brings the newest image of a cluster to a destination, and makes machines of it there. Nothing is remembered\n" +
			"here: what is there already is found by its names and tags, so a second run changes nothing, and one that was\n" +
			"interrupted goes on. --dry-run prints every call that would change something, and makes none.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	all := a.destinations()
	for _, d := range all {
		d.flags(d.command.Flags())
		cmd.AddCommand(d.command)
	}
	cmd.AddCommand(a.publishListCommand(all), a.publishDeleteCommand(all))
	return cmd
}

// chosen are the destinations that are named, or else those of the definition.
func chosen(all []destination, c *cluster.Cluster, on []string) ([]destination, error) {
	var out []destination
	var names []string
	for _, d := range all {
		names = append(names, d.name)
		if len(on) == 0 && d.uses(c) {
			out = append(out, d)
		}
	}
	for _, name := range on {
		found := false
		for _, d := range all {
			if d.name == name {
				out, found = append(out, d), true
			}
		}
		if !found {
			return nil, &usageError{command: "ingot publish", err: fmt.Errorf("reading --on: %q is not a destination (%s)", name, list(names))}
		}
	}
	if len(out) == 0 {
		return nil, withHint(fmt.Errorf("%s has no destination under publish", c.File), "name one by --on: %s", list(names))
	}
	return out, nil
}

// showRun prints what a run did, as far as it came.
func (a *app) showRun(s *publish.Summary, asJSON bool) error {
	if s == nil {
		return nil
	}
	if asJSON {
		return a.printJSON(s)
	}
	if s.DryRun {
		for _, c := range s.Calls {
			body, err := json.Marshal(c.Body)
			if err != nil {
				return fmt.Errorf("printing calls: %w", err)
			}
			if c.Body == nil {
				body = nil
			}
			a.print("%s", strings.TrimSpace(fmt.Sprintf("would call: %s %s %s", c.Method, c.Target, body)))
		}
	}
	for _, i := range s.Items {
		a.print("%s", i.Line(s.DryRun))
	}
	return nil
}

// showRuns prints the runs of several destinations: as JSON, one list.
func (a *app) showRuns(runs []*publish.Summary, asJSON bool) error {
	if asJSON {
		return a.printJSON(runs)
	}
	for _, s := range runs {
		if err := a.showRun(s, false); err != nil {
			return err
		}
	}
	return nil
}

// advice turns a destination's advice into the hint of the command line.
func advice(err error) error {
	var known interface{ Advice() string }
	if errors.As(err, &known) {
		return withHint(err, "%s", known.Advice())
	}
	return err
}
