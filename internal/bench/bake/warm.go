package main

import (
	"context"
	"fmt"
)

// warm measures bakes after the change of one line, each another line.
func warm(ctx context.Context, w *world, t *table) error {
	t.head("warm bake, to a sealed raw image", "ingot", "mkosi incremental")
	busy := load()
	var all []figures
	for i := range w.fast {
		if err := w.change(i); err != nil {
			return err
		}
		f, err := w.bake(ctx, "")
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	ours := median(all)
	t.say("  %-32s %22s %22s %7.1f %5s  %s\n", "after a change of one line", ours,
		fmt.Sprintf("%d s, published", published), published/ours.wall.Seconds(), busy, "at least 10; mkosi was not measured here")
	t.alone("peak memory, largest process", megabytes(ours.largest), "")
	return nil
}
