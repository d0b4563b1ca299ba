package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/spf13/cobra"
)

func (a *app) verifyCommand() *cobra.Command {
	var asJSON, offline bool
	cmd := &cobra.Command{
		Use:   "verify IMAGE|MANIFEST",
		Short: "Bake an image again and compare",
		Long: "Checks the files of an image against its manifest.json, then bakes it again, every step of it, from the\n" +
			"definition, lock and keys that are here, and compares every format byte by byte. Where they differ, it\n" +
			"names the files in the image that do. Exit status 0: the same; 3: not the same.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.verify(cmd.Context(), args[0], offline, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "say what differs as JSON")
	cmd.Flags().BoolVar(&offline, "offline", false, "use nothing but the lock and the cache")
	return cmd
}

func (a *app) verify(ctx context.Context, path string, offline, asJSON bool) error {
	dir := filepath.Dir(path)
	m, err := builder.ReadManifest(filepath.Join(dir, builder.ManifestFile))
	if err != nil {
		return withHint(err, "name an image of out/CLUSTER/images, or the manifest.json there")
	}
	if err := namedBy(m, path); err != nil {
		return err
	}
	c, store, err := a.open(m.Cluster, nil)
	if err != nil {
		return err
	}
	b, err := a.bakery(ctx, c, store, offline)
	if err != nil {
		return err
	}
	defer func() { _ = b.Store.Close() }() // it only unlocks
	work, release, err := b.Store.Cache.Workspace()
	if err != nil {
		return err
	}
	defer release()
	b.Dir = work
	found, err := builder.Compare(ctx, *b, m, dir)
	if err != nil {
		return a.lockError(err)
	}
	if asJSON {
		err = a.printJSON(found)
	} else {
		a.printComparison(m, found)
	}
	if err == nil && !found.Same() {
		return &checkError{message: "the second bake is not the same"}
	}
	return err
}

// namedBy checks that a path is one of a manifest's files, or the manifest.
func namedBy(m *builder.Manifest, path string) error {
	name := filepath.Base(path)
	if target, err := os.Readlink(path); err == nil {
		name = target // latest
	}
	if name == builder.ManifestFile {
		return nil
	}
	var names []string
	for _, f := range m.Files {
		if f.Name == name {
			return nil
		}
		names = append(names, f.Name)
	}
	return errors.New(path + " is not in the manifest beside it (" + strings.Join(names, ", ") + ")")
}

func (a *app) printComparison(m *builder.Manifest, c *builder.Comparison) {
	for _, s := range c.Damaged {
		a.print("damaged: %s", s)
	}
	for _, s := range c.Inputs {
		a.print("another input: %s is not what the image was made of", s)
	}
	for _, s := range c.Files {
		a.print("differs: %s", s)
	}
	for _, s := range c.Paths {
		a.print("in the image: %s", s)
	}
	if c.Same() {
		a.print("%s-%s: the same bytes in %s", m.Cluster, m.ID, plural(len(m.Files), "file"))
	}
}
