package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/bakery"
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
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, builder.ManifestFile)
	}
	dir := filepath.Dir(path)
	m, err := builder.ReadManifest(filepath.Join(dir, builder.ManifestFile))
	if err != nil {
		return withHint(err, "name an image of out/CLUSTER/images, or the manifest.json there")
	}
	if err := namedBy(m, path); err != nil {
		return err
	}
	found, err := builder.Check(ctx, m, dir)
	if err == nil && found.Same() {
		found, err = a.secondBake(ctx, m, dir, offline)
	}
	if err != nil {
		return a.lockError(err)
	}
	if asJSON {
		err = a.printJSON(found)
	} else {
		a.printComparison(m, found)
	}
	if err == nil && !found.Same() {
		return &checkError{message: refusal(m, found)}
	}
	return err
}

// secondBake bakes an image again from what is here. Nothing is made that is
// missing: it would not be what the image was made of.
func (a *app) secondBake(ctx context.Context, m *builder.Manifest, dir string, offline bool) (*builder.Comparison, error) {
	c, store, err := a.open(m.Cluster, nil)
	if err != nil {
		return nil, err
	}
	locked, err := a.oldLock(c)
	if err != nil {
		return nil, err
	}
	if locked == nil {
		return nil, withHint(fmt.Errorf("%s is missing", filepath.Join(c.Dir, lock.File)), "verify needs the lock that the image was made of")
	}
	b, err := a.bakery(c, store, offline).Equip()
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Store.Close() }() // it only unlocks
	b.Lock = locked
	if err := bakery.Public(b, store); err != nil {
		return nil, withHint(err, "verify needs the key store of the cluster that the image was made of")
	}
	work, release, err := b.Store.Cache.Workspace()
	if err != nil {
		return nil, err
	}
	defer release()
	b.Dir = filepath.Join(work, "images") // the folder itself is locked by its workspace
	return builder.Compare(ctx, *b, m, dir)
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
	return fmt.Errorf("%s is not in the manifest beside it (%s)", path, strings.Join(names, ", "))
}

// refusal is what the command ends with where something differs.
func refusal(m *builder.Manifest, c *builder.Comparison) string {
	image := m.Cluster + "-" + m.ID
	switch {
	case len(c.Damaged) > 0:
		return image + " is not as it was baked"
	case len(c.Inputs) > 0:
		return image + " was made of something else than what is here"
	default:
		return "the second bake of " + image + " is not the same"
	}
}

func (a *app) printComparison(m *builder.Manifest, c *builder.Comparison) {
	for _, s := range c.Damaged {
		a.print("damaged: %s", s)
	}
	for _, s := range c.Unlocked.Lines() {
		a.print("%s", s)
	}
	for _, s := range c.Inputs {
		a.print("another input: %s is not what the image was made of", s)
	}
	if c.Manifest != nil && c.Manifest.ID != m.ID {
		a.print("another image: %s-%s; the programs that bake are not those that baked %s-%s", m.Cluster, c.Manifest.ID, m.Cluster, m.ID)
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
