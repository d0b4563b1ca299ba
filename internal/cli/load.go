package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/spf13/cobra"
)

const definitionFile = "cluster.yaml"

// definitionPath finds the definition that an argument names: a cluster's
// name, the folder of a definition, or the file itself.
func (a *app) definitionPath(arg string) string {
	if strings.ContainsRune(arg, filepath.Separator) || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") {
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			return filepath.Join(arg, definitionFile)
		}
		return arg
	}
	return filepath.Join(a.clusters, arg, definitionFile)
}

// load reads a definition and writes its problems and warnings to stderr.
func (a *app) load(arg string) (*cluster.Cluster, error) {
	path := a.definitionPath(arg)
	c, report, err := cluster.Load(path)
	if err == nil && path == filepath.Join(a.clusters, arg, definitionFile) && c.Def.Name != arg {
		report.Errorf(c.Where("name"), "name", "%q is not the name of the folder, %q: two clusters of one name would have their outputs in one place; want %q here, or another folder",
			c.Def.Name, arg, arg)
		report.Sort()
		c, err = nil, report.Err()
	}
	if werr := report.Write(a.stderr); werr != nil {
		return nil, fmt.Errorf("writing problems: %w", werr)
	}
	if errors.Is(err, fs.ErrNotExist) {
		hint := fmt.Sprintf("ingot init %s writes one to start from", arg)
		if known := a.clusterNames(); len(known) > 0 {
			hint = fmt.Sprintf("clusters in %s: %s", a.clusters, strings.Join(known, ", "))
		}
		return nil, withHint(err, "%s", hint)
	}
	return c, err
}

// clusterNames lists the clusters that have a definition.
func (a *app) clusterNames() []string {
	files, err := filepath.Glob(filepath.Join(a.clusters, "*", definitionFile))
	if err != nil {
		return nil // only a malformed pattern gets here, and then there are none
	}
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	sort.Strings(names)
	return names
}

// completeCluster completes the name of a cluster, then names of its nodes
// where the command takes them.
func (a *app) completeCluster(nodes bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return a.clusterNames(), cobra.ShellCompDirectiveNoFileComp
		case nodes:
			c, _, err := cluster.Load(a.definitionPath(args[0]))
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, n := range c.Nodes {
				names = append(names, n.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		default:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}
