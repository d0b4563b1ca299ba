package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// maxFiles is more than the list of an image's files has, in bytes.
const maxFiles = 256 << 20

// Comparison says how a second bake differs from an image.
type Comparison struct {
	Manifest *Manifest `json:"manifest,omitempty"` // of the second bake, if there was one

	Damaged []string `json:"damaged,omitempty"` // files of the image that are not as its manifest says
	Inputs  []string `json:"inputs,omitempty"`  // that are others now; then nothing was baked
	Files   []string `json:"files,omitempty"`   // of the image that are others
	Paths   []string `json:"paths,omitempty"`   // in the image that are others, and how

	// Unlocked is what the image has that its lock does not cover. It is no
	// difference.
	Unlocked *Unlocked `json:"unlocked,omitempty"`
}

// Same reports whether nothing differs.
func (c *Comparison) Same() bool {
	return len(c.Damaged)+len(c.Inputs)+len(c.Files)+len(c.Paths) == 0
}

// Check compares the files of an image with its manifest. It needs nothing of
// what the image was made of. dir is the folder of the image.
func Check(ctx context.Context, m *Manifest, dir string) (*Comparison, error) {
	out := &Comparison{Unlocked: m.Unlocked}
	for _, f := range m.Files {
		if err := f.check(ctx, dir); err != nil {
			out.Damaged = append(out.Damaged, err.Error())
		}
	}
	return out, ctx.Err()
}

// Compare bakes the image of a manifest again, every step of it, and compares.
// dir is the folder of the image, which Check has found to be as it was baked;
// Config.Dir is an empty one for the second bake.
func Compare(ctx context.Context, cfg Config, m *Manifest, dir string) (*Comparison, error) {
	out := &Comparison{Unlocked: m.Unlocked}
	for _, f := range m.Files {
		if f.Format != "" {
			cfg.Formats = append(cfg.Formats, f.Format)
		}
	}
	cfg.Version = m.Ingot // it is no input: only the bill of materials names it
	now, err := newBake(cfg).inputs()
	if err != nil {
		return nil, err
	}
	if out.Inputs = m.Inputs.others(now); len(out.Inputs) > 0 {
		return out, nil
	}
	fresh, err := step.OpenFresh(cfg.Store.Cache)
	if err != nil {
		return nil, err
	}
	defer func() { _ = fresh.Close() }() // it only unlocks
	fresh.Warn, fresh.Wait = cfg.Store.Warn, cfg.Store.Wait
	cfg.Store = fresh
	second, err := Bake(ctx, cfg)
	if err != nil {
		return nil, err
	}
	out.Manifest = second.Manifest
	for _, f := range m.Files {
		if !slices.Contains(second.Manifest.Files, f) {
			out.Files = append(out.Files, f.Name)
		}
	}
	if len(out.Files) > 0 {
		out.Paths, err = differences(dir, cfg.Dir)
	}
	return out, err
}

// others names the inputs that differ.
func (i Inputs) others(now *Inputs) []string {
	var out []string
	for _, in := range []struct{ name, was, is string }{
		{"the definition", i.Definition, now.Definition}, {"the lock", i.Lock, now.Lock},
		{"the public part of the PKI", i.PKI, now.PKI}, {"the program ingot-node", i.Program, now.Program},
		{"what others changed in the base", i.Changes, now.Changes},
	} {
		if in.was != in.is {
			out = append(out, in.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.Tools)) {
		if i.Tools[name] != now.Tools[name] {
			out = append(out, "the program "+name+" of this machine")
		}
	}
	return out
}

// fileList is what both file systems of an image have.
type fileList struct {
	Root    *tree.Index `json:"root"`
	Cluster *tree.Index `json:"cluster"`
}

// differences compares the lists of files of two images.
func differences(was, is string) ([]string, error) {
	a, err := readFiles(was)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing to compare with
	}
	if err != nil {
		return nil, err
	}
	b, err := readFiles(is)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range append(tree.Diff(a.Root, b.Root), tree.Diff(a.Cluster, b.Cluster)...) {
		out = append(out, d.Path+": "+d.How)
	}
	return out, nil
}

func readFiles(dir string) (*fileList, error) {
	data, err := atomicfile.ReadFile(filepath.Join(dir, filesFile), maxFiles)
	if err != nil {
		return nil, fmt.Errorf("reading list of files: %w", err)
	}
	var out fileList
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("reading list of files: %w", err)
	}
	return &out, nil
}
