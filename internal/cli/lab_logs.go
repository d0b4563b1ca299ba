package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/machine"
	"github.com/spf13/cobra"
)

func (a *app) labLogsCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs CLUSTER [NODE...]",
		Short: "Show what machines said on their consoles",
		Long: "Shows what machines said on their serial ports, over all their starts; of several machines, with the name\n" +
			"before each line. Without NODE, of all machines that were ever started. It works while the lab is down, too.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := a.labOf(args[0], args[1:]...)
			if err != nil {
				return err
			}
			return a.labLogs(cmd.Context(), c, args[1:], follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "wait for more, until interrupted")
	return cmd
}

// labLog is the console's log of one machine.
type labLog struct {
	file   *os.File
	plain  machine.Plain
	prefix string
	line   []byte // the beginning of one that has not ended
}

func (a *app) labLogs(ctx context.Context, c *cluster.Cluster, names []string, follow bool) error {
	wanted := names
	if len(names) == 0 {
		for i := range c.Nodes {
			wanted = append(wanted, c.Nodes[i].Name)
		}
	}
	var logs []*labLog
	for _, name := range wanted {
		file, err := os.Open(filepath.Join(a.labDir(c), lab.MachinesDir, name, machine.ConsoleLog))
		if errors.Is(err, fs.ErrNotExist) {
			if len(names) > 0 {
				return withHint(fmt.Errorf("machine %q was never started in a lab", name), "ingot lab up %s", c.Def.Name)
			}
			continue
		}
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		logs = append(logs, &labLog{file: file, prefix: name + ": "})
	}
	if len(logs) == 0 {
		return withHint(fmt.Errorf("no machine of cluster %q was ever started in a lab", c.Def.Name), "ingot lab up %s", c.Def.Name)
	}
	if len(names) == 1 {
		logs[0].prefix = ""
	}
	return a.showLogs(ctx, logs, follow)
}

func (a *app) showLogs(ctx context.Context, logs []*labLog, follow bool) error {
	for {
		for _, l := range logs {
			if err := l.show(a.stdout, !follow); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // whoever follows a log ends it so
		case <-time.After(followEvery):
		}
	}
}

// show writes what was added; all of it also without the end of the last line.
func (l *labLog) show(to io.Writer, all bool) error {
	added, err := io.ReadAll(l.file)
	if err != nil {
		return err
	}
	l.line = append(l.line, l.plain.Text(added)...)
	for {
		text, rest, whole := bytes.Cut(l.line, []byte("\n"))
		if !whole && (!all || len(text) == 0) {
			return nil
		}
		if _, err := fmt.Fprintf(to, "%s%s\n", l.prefix, text); err != nil {
			return err
		}
		l.line = rest
	}
}
