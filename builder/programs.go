package builder

import (
	"context"
	"slices"
	"sync"

	"github.com/ingot-k8s/ingot/builder/base"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/internal/nodeprogram"
)

// Programs makes components' programs as a bake does, or takes them from the
// cache, for machines that are no image of ours: those of names that do not
// come from Debian, the container images where containerd is among them, and
// ingot-node. What they are read from stays as long as the store is open.
func Programs(ctx context.Context, cfg Config, names []string) ([]tree.Extra, error) {
	b := newBake(cfg)
	p, err := b.plan()
	if err != nil {
		return nil, err
	}
	ctx, b.stop = context.WithCancelCause(ctx)
	defer b.stop(nil)
	p.programs = slices.DeleteFunc(p.programs, func(pr program) bool { return !slices.Contains(names, pr.name) })
	for i := range p.programs {
		pr := &p.programs[i]
		pr.make = sync.OnceValues(func() (*step.Result, error) { return b.makeProgram(ctx, *pr) })
	}
	out, err := b.programs(p)
	if err != nil {
		return nil, err
	}
	if slices.Contains(names, "containerd") {
		containers, err := b.containers(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, containers...)
	}
	return append(out, b.nodeProgram()...), nil
}

// Archive makes a Debian archive of the locked packages in an empty folder, for
// machines that are no image of ours (see [base.Archive]). What is not in the
// cache is fetched.
func Archive(ctx context.Context, cfg Config, dir string) error {
	b := newBake(cfg)
	if err := b.fetch(ctx, "packages", b.Lock.Debian.Packages); err != nil {
		return err
	}
	return base.Archive(ctx, base.Config{Lock: b.Lock, Cache: b.Store.Cache, Runner: b.Runner, Path: b.path}, dir)
}

// nodeProgram is ingot-node, and the name by which people find it.
func (b *bake) nodeProgram() []tree.Extra {
	return []tree.Extra{
		{Path: nodeprogram.Path, Mode: nodeprogram.Mode, Size: int64(len(b.Program)), Open: memory(b.Program)},
		{Path: "/usr/sbin/ingot-node", Target: nodeprogram.Path},
	}
}
