package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/spf13/cobra"
)

type lockFlags struct{ update, asJSON bool }

func (a *app) lockCommand() *cobra.Command {
	var f lockFlags
	cmd := &cobra.Command{
		Use:   "lock CLUSTER [--update [PACKAGE...]]",
		Short: "Fix every input of the image by version and SHA-256",
		Long: "Writes lock.yaml beside the definition: the Debian packages of the image, chosen by apt from the signed\n" +
			"lists of the mirror, each by version and SHA-256, and the date that is the one clock of the image.\n" +
			"A lock that is there keeps its versions; packages that the definition asks for anew are added.\n" +
			"With --update it takes today's versions, of PACKAGE and what that needs or of everything, and shows\n" +
			"what changes. The mirror is the definition's image.mirror, else that of this machine's apt.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 && !f.update {
				return &usageError{command: cmd.CommandPath(), err: fmt.Errorf("packages are only named with --update: %q", args[1])}
			}
			return a.lock(cmd.Context(), args[0], args[1:], f)
		},
	}
	cmd.Flags().BoolVar(&f.update, "update", false, "take today's versions")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "say what changed as JSON")
	return cmd
}

// lockResult is what ingot lock did.
type lockResult struct {
	File     string        `json:"file"`
	Written  bool          `json:"written"`
	Date     time.Time     `json:"date"`
	Packages int           `json:"packages"`
	Bytes    int64         `json:"bytes"` // to download, of all packages
	Changes  []lock.Change `json:"changes"`
}

func (a *app) lock(ctx context.Context, name string, packages []string, f lockFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	old, err := a.oldLock(c)
	if err != nil {
		return err
	}
	made := old
	if old == nil || f.update || !old.Fits(c) {
		a.say("choosing packages of Debian %d from the mirror's signed lists", c.Def.Image.Debian)
		if made, err = a.makeLock(ctx, c, old, f.update, packages); err != nil {
			return err
		}
	}
	result := lockResult{
		File: filepath.Join(c.Dir, lock.File), Date: made.Date, Packages: len(made.Debian.Packages),
		Changes: lock.Diff(old, made), Written: old == nil || string(old.Encode()) != string(made.Encode()),
	}
	for _, p := range made.Debian.Packages {
		result.Bytes += p.Size
	}
	if result.Written {
		if err := made.Save(c.Dir); err != nil {
			return err
		}
	}
	return a.printLock(result, old == nil, f.asJSON)
}

// makeLock finds today's versions of what the old lock has not, and of what is
// to be updated.
func (a *app) makeLock(ctx context.Context, c *cluster.Cluster, old *lock.Lock, update bool, names []string) (*lock.Lock, error) {
	made, err := bakery.MakeLock(ctx, c, bakery.LockOptions{
		Old: old, Update: update, Names: names, Say: func(message string) { a.say("%s", message) },
	})
	if err != nil {
		return nil, a.lockError(err)
	}
	return made, nil
}

func (a *app) printLock(r lockResult, first, asJSON bool) error {
	if asJSON {
		if r.Changes == nil {
			r.Changes = []lock.Change{}
		}
		return a.printJSON(r)
	}
	if !first {
		for _, c := range r.Changes {
			a.print("%s", c)
		}
	}
	state := "unchanged"
	if r.Written {
		state = "written"
	}
	a.print("%s  %s, %s of %d MB, clock %s", r.File, state, plural(r.Packages, "package"), r.Bytes/1e6, r.Date.Format(time.RFC3339))
	if r.Written {
		a.say("next: commit it with the definition")
	} else {
		a.say("next: ingot lock CLUSTER --update takes today's versions")
	}
	return nil
}

// oldLock reads the lock that is there, or gives nil.
func (a *app) oldLock(c *cluster.Cluster) (*lock.Lock, error) {
	old, err := bakery.ReadLock(c)
	if err != nil {
		return nil, a.lockError(err)
	}
	return old, nil
}

// lockError shows the places of problems, and adds advice where an error has some.
func (a *app) lockError(err error) error {
	var bad *diag.ReportError
	if errors.As(err, &bad) {
		if werr := bad.Report.Write(a.stderr); werr != nil {
			return fmt.Errorf("writing problems: %w", werr)
		}
	}
	return advised(err)
}

// advised adds the advice that an error has.
func advised(err error) error {
	var advice interface{ Hint() string }
	if errors.As(err, &advice) {
		return withHint(err, "%s", advice.Hint())
	}
	return err
}
