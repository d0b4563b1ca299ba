package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/spf13/cobra"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init NAME",
		Short: "Write a commented definition to start from",
		Long: "Writes clusters/NAME/cluster.yaml, a commented definition that is valid as it stands.\n" +
			"A file that is already there is never touched.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.initCluster(args[0]) },
	}
}

func (a *app) initCluster(name string) error {
	text, err := cluster.Template(name)
	if err != nil {
		return &usageError{command: "ingot init", err: err}
	}
	dir := filepath.Join(a.clusters, name)
	_, statErr := os.Lstat(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making folder: %w", err)
	}
	path := filepath.Join(dir, definitionFile)
	if err := atomicfile.WriteNew(path, text, 0o644); err != nil {
		if errors.Is(statErr, fs.ErrNotExist) {
			err = errors.Join(err, os.Remove(dir)) // ours, and empty
		}
		if errors.Is(err, fs.ErrExist) {
			return withHint(err, "it is left as it is; take another name, or edit it and run ingot validate %s", name)
		}
		return err
	}
	a.print("%s", path)
	a.say("next: edit it, then ingot validate %s, then ingot iso %s", name, name)
	return nil
}
