package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/builder/workshop"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// OpenWorkshop unpacks the base of an image, which is made if it is not in the
// cache, for others to change. What they have changed is [Config.Changes] of
// the bake. The caller closes the workshop, and the file after it.
func OpenWorkshop(ctx context.Context, cfg Config) (*workshop.Workshop, *os.File, error) {
	b := newBake(cfg)
	p, err := b.plan()
	if err != nil {
		return nil, nil, err
	}
	ctx, b.stop = context.WithCancelCause(ctx)
	defer b.stop(nil)
	made, err := b.makeBase(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(made.Path(baseFile))
	if err != nil {
		return nil, nil, fmt.Errorf("reading base: %w", err)
	}
	w, err := workshop.Open(ctx, workshop.Config{
		Runner: b.Runner, Root: b.Root, Path: b.path, TmpDir: scratch(b.Environ), Date: b.Lock.Date,
	}, f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return w, f, nil
}

// changed is the hash of what others did to the base; empty if it is nothing.
func (b *bake) changed() string {
	if b.Changes == nil || b.Changes.Empty() {
		return ""
	}
	return b.Changes.Sum
}

// changedBase is the step of the base with what others changed.
func (b *bake) changedBase(base step.Step) step.Step {
	if b.changed() == "" {
		return base
	}
	return step.Step{Name: "changed base", Inputs: []string{base.Key(), b.changed(), source("workshop")}}
}

// makeTree makes the base, with what others changed.
func (b *bake) makeTree(ctx context.Context, p *plan) (*step.Result, error) {
	if b.changed() == "" {
		return b.makeBase(ctx, p)
	}
	return b.step(ctx, p.tree, func(ctx context.Context, _ *task, dir string) error {
		made, err := b.makeBase(ctx, p)
		if err != nil {
			return err
		}
		in, err := os.Open(made.Path(baseFile))
		if err != nil {
			return fmt.Errorf("reading base: %w", err)
		}
		defer func() { _ = in.Close() }() // nothing was written
		out, err := atomicfile.CreateNoSync(filepath.Join(dir, baseFile), 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = out.Close() }() // does nothing after Commit
		if err := workshop.Merge(ctx, out, in, b.Changes); err != nil {
			return err
		}
		return out.Commit()
	})
}

// hidden refuses changes that nobody would see, because a layer of the
// definition lies over them.
func (b *bake) hidden() error {
	if b.changed() == "" {
		return nil
	}
	layers, err := provisioners.All(b.Cluster, b.Public)
	if err != nil {
		return err
	}
	entries, err := layer.Merge(layers...)
	if err != nil {
		return err
	}
	var wrong []error
	for _, e := range entries {
		if _, is := slices.BinarySearch(b.Changes.Written, e.Path); is && !e.Mode.IsDir() {
			wrong = append(wrong, fmt.Errorf("%s was changed in the base, and the image has another one over it, which the definition decides about", e.Path))
		}
	}
	return errors.Join(wrong...)
}
