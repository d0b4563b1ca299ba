package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/spf13/cobra"
)

// downTime is how long machines may take to shut down: without KVM and on a
// busy host, up to this.
const downTime = 3 * time.Minute

type downFlags struct {
	now, purge bool
	timeout    time.Duration
}

func (a *app) labDownCommand() *cobra.Command {
	var f downFlags
	cmd := &cobra.Command{
		Use:   "down CLUSTER",
		Short: "Shut a lab's machines down and end it",
		Long: "Presses the power button of all machines, cuts the power of those that do not go off in time, and ends the\n" +
			"process in the background; nothing of the lab runs afterwards. Disks and logs stay, so that \"ingot lab up\" goes\n" +
			"on with the same cluster, as machines do that were off; --purge removes them, and with them the cluster's data.\n" +
			"Where the lab is down already there is nothing to do, and the exit status is 0.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.timeout < 0 {
				return &usageError{command: cmd.CommandPath(), err: errors.New("--timeout cannot be negative")}
			}
			c, client, err := a.labOf(args[0])
			if err != nil {
				return err
			}
			return a.labDown(cmd.Context(), c, client, f)
		},
	}
	cmd.Flags().BoolVar(&f.now, "now", false, "cut the power at once; if the lab's process does not answer, kill it")
	cmd.Flags().BoolVar(&f.purge, "purge", false, "remove the lab's folder: disks, logs and kubeconfig")
	cmd.Flags().DurationVar(&f.timeout, "timeout", downTime, "how long machines may take to shut down")
	return cmd
}

func (a *app) labDown(ctx context.Context, c *cluster.Cluster, client *control.Client, f downFlags) error {
	dir := a.labDir(c)
	running, err := lab.Running(dir)
	if err != nil {
		return err
	}
	if running {
		err = a.labStop(ctx, client, f)
	} else {
		a.say("the lab of cluster %q is not up", c.Def.Name)
	}
	if err != nil {
		return err
	}
	return a.labTidy(dir, f.purge)
}

// labStop ends the lab's process.
func (a *app) labStop(ctx context.Context, client *control.Client, f downFlags) error {
	if f.now {
		f.timeout = 0
	} else {
		a.say("shutting down the machines, for %s at most", f.timeout)
	}
	limit, cancel := context.WithTimeout(ctx, f.timeout+stopTime)
	defer cancel()
	stopped, err := client.Stop(limit, f.timeout)
	switch {
	case errors.Is(err, control.ErrDown): // it ends, or starts, at this moment
		return client.Gone(limit)
	case err == nil:
		if len(stopped.Down) > 0 {
			a.print("shut down: %s", list(stopped.Down))
		}
		if len(stopped.Cut) > 0 {
			a.print("power cut: %s", list(stopped.Cut))
		}
		return nil
	case f.now && ctx.Err() == nil:
		if killed := client.Kill9(); killed != nil {
			return errors.Join(err, killed)
		}
		a.print("killed the lab's process, and with it all machines")
		final, stop := context.WithTimeout(ctx, stopTime)
		defer stop()
		return client.Gone(final)
	}
	return withHint(err, "--now cuts the power of all machines, and kills the lab's process if it does not answer")
}

// labTidy removes what is of no use without the lab, or all of it.
func (a *app) labTidy(dir string, purge bool) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if purge {
		size := used(dir)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		a.print("removed: %s, %s", dir, megabytes(size))
		return nil
	}
	for _, name := range []string{lab.KubeconfigFile, control.Socket} {
		path := filepath.Join(dir, name)
		err := os.Remove(path)
		if err == nil && name == lab.KubeconfigFile {
			a.print("removed: %s", path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	machines := filepath.Join(dir, lab.MachinesDir)
	if size := used(machines); size > 0 {
		a.print("kept: %s, %s of disks and logs", machines, megabytes(size))
	}
	return nil
}

// used is the size of all files in a folder, in bytes, as far as it can be
// seen: it is only shown.
func used(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be seen is not counted
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}
