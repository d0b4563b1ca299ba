package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/lock"
	"go.yaml.in/yaml/v3"
)

// world is a folder with a copy of the definition, keys and a place for images.
// The caches are the caller's own: what is not in them is made before anything
// is measured.
type world struct {
	options
	dir   string
	cache *fetch.Cache
}

func newWorld(o options) (*world, error) {
	var err error
	if o.ingot, err = filepath.Abs(o.ingot); err != nil {
		return nil, err
	}
	if o.plugin, err = filepath.Abs(o.plugin); err != nil {
		return nil, err
	}
	dir, err := fetch.DefaultDir()
	if err != nil {
		return nil, err
	}
	w := &world{options: o}
	if w.cache, err = fetch.OpenCache(dir); err != nil {
		return nil, err
	}
	// Beside the cache, so that files of it can be linked.
	if w.dir, err = os.MkdirTemp(filepath.Dir(dir), "ingot-bench-"); err != nil {
		return nil, err
	}
	// Programs with other users' rights read below it.
	err = errors.Join(os.Chmod(w.dir, 0o755), os.CopyFS(w.folder(), os.DirFS(filepath.Join(o.clusters, o.cluster))))
	if err == nil && o.lock != "" {
		err = link(o.lock, filepath.Join(w.folder(), lock.File))
	}
	if err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

func (w *world) remove() { _ = os.RemoveAll(w.dir) } // a folder for measuring only

func (w *world) folder() string { return filepath.Join(w.dir, "clusters", w.cluster) }

func (w *world) images() string { return filepath.Join(w.dir, "out", w.cluster, "images") }

// bake is a bake of the raw image, with the caches in a folder or, where it is
// empty, the caller's own.
func (w *world) bake(ctx context.Context, caches string) (figures, error) {
	if err := os.RemoveAll(w.images()); err != nil {
		return figures{}, err
	}
	c := command{
		argv: []string{w.ingot, "images", w.cluster, "--only", "raw", "--offline"}, dir: w.dir,
		env: []string{"XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config")},
	}
	if caches != "" {
		c.env = append(c.env, "XDG_CACHE_HOME="+caches)
	}
	return measure(ctx, c)
}

// prepare makes the lock where there is none, the keys, and all that a bake
// needs in the caches.
func (w *world) prepare(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(w.folder(), lock.File)); errors.Is(err, fs.ErrNotExist) {
		if _, err := measure(ctx, command{argv: []string{w.ingot, "lock", w.cluster}, dir: w.dir}); err != nil {
			return err
		}
	}
	_, err := measure(ctx, command{
		argv: []string{w.ingot, "images", w.cluster, "--only", "raw"}, dir: w.dir,
		env: []string{"XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config")},
	})
	return err
}

// raw gives the image that was baked last, and what its manifest says.
func (w *world) raw() (string, *builder.Manifest, error) {
	m, err := builder.ReadManifest(filepath.Join(w.images(), builder.ManifestFile))
	if err != nil {
		return "", nil, err
	}
	f, is := m.File(builder.Raw)
	if !is {
		return "", nil, fmt.Errorf("the bake made no %s image", builder.Raw)
	}
	return filepath.Join(w.images(), f.Name), m, nil
}

// change changes one line of the definition: a setting of the kernel, which
// becomes a file of the image.
func (w *world) change(value int) error {
	path := filepath.Join(w.folder(), "cluster.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var def map[string]any
	if err := yaml.Unmarshal(text, &def); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	entry(entry(def, "system"), "sysctls")["vm.swappiness"] = strconv.Itoa(value)
	if text, err = yaml.Marshal(def); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// entry is the mapping of a key, which is made where there is none.
func entry(m map[string]any, key string) map[string]any {
	e, is := m[key].(map[string]any)
	if !is {
		e = map[string]any{}
		m[key] = e
	}
	return e
}

// link gives a file another name, or copies it where that cannot be.
func link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
