package builder

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/ingot-k8s/ingot/builder/base"
	"github.com/ingot-k8s/ingot/builder/component"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/initrd"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/ociimage"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"golang.org/x/sync/errgroup"
)

// Names of files in steps.
const (
	baseFile       = "base.tar"
	kernelFile     = "vmlinuz"
	initrdFile     = "initrd"
	containersFile = "images.tar"
)

// Where ingot's own things are in the root tree.
const (
	imagesFolder = "/usr/share/ingot/images"
)

// step does a step or takes it from the cache. If it fails, all others end.
func (b *bake) step(ctx context.Context, st step.Step, work func(ctx context.Context, t *task, dir string) error) (*step.Result, error) {
	var out *step.Result
	err := b.timed(st.Name, func(t *task) error {
		var err error
		out, err = b.Store.Do(ctx, st, func(ctx context.Context, dir string) error { return work(ctx, t, dir) })
		if err != nil {
			b.stop(err)
			return err
		}
		t.cached = out.Cached
		for _, f := range out.Files {
			t.size += f.Size
		}
		return nil
	})
	return out, err
}

// makeBase makes the base from packages that it fetches first.
func (b *bake) makeBase(ctx context.Context, p *plan) (*step.Result, error) {
	return b.step(ctx, p.base, func(ctx context.Context, t *task, dir string) error {
		if err := b.fetch(ctx, "packages", b.Lock.Debian.Packages); err != nil {
			return err
		}
		t.say("unpacking and configuring packages")
		return base.Build(ctx, base.Config{
			Lock: b.Lock, Cache: b.Store.Cache, Runner: b.Runner, Root: b.Root, Path: b.path,
			TmpDir: scratch(b.Environ),
		}, filepath.Join(dir, baseFile))
	})
}

// fetch brings locked packages into the cache.
func (b *bake) fetch(ctx context.Context, name string, packages []lock.Package) error {
	return b.timed(name, func(t *task) error {
		var total int64
		return fetch.Packages(ctx, packages, fetch.Options{
			Cache: b.Store.Cache, Offline: b.Offline, Warn: b.Warn,
			Open: func(ctx context.Context, dir string) (fetch.Downloader, error) {
				state, err := lock.Open(ctx, dir, b.Cluster, b.Runner, b.Environ)
				if err != nil {
					return nil, err
				}
				return state, state.Update(ctx)
			},
			Plan: func(_ int, bytes int64) { total, t.size = bytes, bytes; t.advance(0, bytes) },
			Done: func(_ lock.Package, left int64) { t.advance(total-left, total) },
		})
	})
}

// openBase opens the archive of the base, which is made when it is first needed.
func (b *bake) openBase() (*os.File, error) {
	made, err := b.base()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(made.Path(baseFile))
	if err != nil {
		return nil, fmt.Errorf("reading base: %w", err)
	}
	return f, nil
}

// start makes what a machine starts with: kernel, initrd and boot loaders.
func (b *bake) start(ctx context.Context, p *plan) (*step.Result, error) {
	return b.step(ctx, p.start, func(ctx context.Context, _ *task, dir string) error {
		f, err := b.openBase()
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // nothing was written
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("reading base: %w", err)
		}
		out, err := atomicfile.CreateNoSync(filepath.Join(dir, initrdFile), 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = out.Close() }() // does nothing after Commit
		if _, err := initrd.Write(out, f, info.Size(), b.initrdOptions()); err != nil {
			return err
		}
		if err := out.Commit(); err != nil {
			return err
		}
		kernel, _, err := initrd.Kernel(f, info.Size())
		if err != nil {
			return err
		}
		if err := copyFile(filepath.Join(dir, kernelFile), kernel); err != nil {
			return err
		}
		return b.grub(ctx, f, info.Size(), dir)
	})
}

func (b *bake) initrdOptions() initrd.Options { return initrd.Options{Network: b.network()} }

// root makes the root file system of the base, the components' programs and the
// container images. It does not depend on the cluster's layers.
func (b *bake) root(ctx context.Context, p *plan) (*step.Result, error) {
	return b.step(ctx, p.root, func(ctx context.Context, t *task, dir string) error {
		t.say("waiting for base and programs")
		var programs, containers []tree.Extra
		group, gctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			_, err := b.base()
			return err
		})
		group.Go(func() (err error) {
			programs, err = b.programs(p)
			return err
		})
		group.Go(func() (err error) {
			containers, err = b.containers(gctx, p)
			return err
		})
		if err := group.Wait(); err != nil {
			return err
		}
		t.say("packing")
		f, err := b.openBase()
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // nothing was written
		extra := slices.Concat(programs, containers, b.nodeProgram())
		gate := b.gate(ctx, b.Secrets)
		_, _, err = b.pack(ctx, dir, tree.RootSquash(b.Lock.Date, b.path), gate, func(w io.Writer) (*tree.Index, error) {
			return tree.Root(ctx, w, tree.RootOptions{Base: f, Extra: extra, Date: b.Lock.Date})
		})
		return err
	})
}

// programs makes the components' programs, one after the other: each uses all
// processors.
func (b *bake) programs(p *plan) ([]tree.Extra, error) {
	var out []tree.Extra
	for _, program := range p.programs {
		made, err := program.make()
		if err != nil {
			return nil, err
		}
		for _, f := range program.out.Programs {
			file, is := made.File(f.File)
			if !is {
				return nil, fmt.Errorf("component %q: %q was not made", program.name, f.File)
			}
			out = append(out, tree.Extra{Path: f.Path, Mode: f.Mode, Size: file.Size, Open: opener(made.Path(f.File))})
		}
		for _, l := range program.out.Links {
			out = append(out, tree.Extra{Path: l.Path, Target: l.Target})
		}
	}
	return out, nil
}

// makeProgram makes the programs of one component.
func (b *bake) makeProgram(ctx context.Context, p program) (*step.Result, error) {
	return b.step(ctx, p.step, func(ctx context.Context, t *task, dir string) error {
		_, err := component.Build(ctx, b.Cluster, b.Lock, component.Config{
			Runner: b.Runner, Environ: b.Environ, Offline: b.Offline, Cache: b.Store.Cache,
			Progress: func(p component.Progress) {
				t.say(p.String())
				t.advance(int64(p.Done), int64(p.Total))
			},
		}, p.name, dir)
		if err != nil {
			return err
		}
		return b.moduleLicences(ctx, p.name, dir)
	})
}

// containers gives the archive of the container images.
func (b *bake) containers(ctx context.Context, p *plan) ([]tree.Extra, error) {
	made, err := b.step(ctx, p.containers, func(ctx context.Context, t *task, dir string) error {
		work, release, err := b.Store.Cache.Workspace()
		if err != nil {
			return err
		}
		defer release()
		file, err := ociimage.BuildPause(ctx, b.Runner, b.goEnviron(), work)
		if err != nil {
			return err
		}
		pause, err := ociimage.Pause(file)
		if err != nil {
			return err
		}
		all, err := ociimage.Preload(ctx, b.Cluster, ociimage.Options{
			Cache: b.Store.Cache, Offline: b.Offline, Done: func(image string, _ int64) { t.say(image) },
		})
		if err != nil {
			return err
		}
		out, err := atomicfile.CreateNoSync(filepath.Join(dir, containersFile), 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = out.Close() }() // does nothing after Commit
		if err := ociimage.WriteArchive(out, append(all, pause)); err != nil {
			return err
		}
		return out.Commit()
	})
	if err != nil {
		return nil, err
	}
	f, _ := made.File(containersFile)
	return []tree.Extra{{
		Path: path.Join(imagesFolder, containersFile), Size: f.Size, Open: opener(made.Path(containersFile)),
	}}, nil
}

// goEnviron has the Go command compile with the locked release.
func (b *bake) goEnviron() []string {
	env := slices.Clone(b.Environ)
	if b.Lock.Toolchain != "" {
		env = append(env, "GOTOOLCHAIN="+b.Lock.Toolchain)
	}
	return env
}

// copyFile writes what is read.
func copyFile(file string, r io.Reader) error {
	out, err := atomicfile.CreateNoSync(file, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // does nothing after Commit
	if _, err := io.Copy(out, r); err != nil {
		return err
	}
	return out.Commit()
}

// opener opens a file that is read as a whole.
func opener(path string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return os.Open(path) }
}

// memory opens what is in memory.
func memory(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}
