package component

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Build makes the programs of a component in dir, a folder that exists, from
// exactly what the lock names. The same cluster, component and lock give the
// same bytes, in any folder and on any machine. The errors of modules are
// [*OfflineError] and [*TamperedError].
func Build(ctx context.Context, c *cluster.Cluster, l *lock.Lock, cfg Config, name, dir string) (*Output, error) {
	out, err := build(ctx, c, l, cfg, name, dir)
	if err != nil {
		return nil, fmt.Errorf("making component %q: %w", name, err)
	}
	return out, nil
}

func build(ctx context.Context, c *cluster.Cluster, l *lock.Lock, cfg Config, name, dir string) (*Output, error) {
	r, component, err := find(c, name)
	if err != nil {
		return nil, err
	}
	out, err := Describe(c, name)
	if err != nil {
		return nil, err
	}
	if component.Source != cluster.SourceGo {
		return out, single(ctx, c, component, cfg, name, filepath.Join(dir, out.Programs[0].File))
	}
	if v := l.ModuleVersion(name); v != component.Version {
		return nil, fmt.Errorf("the lock has version %q, and the definition %q", v, component.Version)
	}
	work, err := os.MkdirTemp("", "ingot-component-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }() // nothing in it is worth an error
	g, err := newGo(ctx, cfg, work, l.Toolchain)
	if err != nil {
		return nil, err
	}
	goMod, goSum, err := r.lockedModule(l)
	if err != nil {
		return nil, err
	}
	if err := r.write(work, goMod, goSum); err != nil {
		return nil, err
	}
	if err := g.fetch(ctx, name, l.ModulesOf(name)); err != nil {
		return nil, err
	}
	return out, g.compile(ctx, r, component.Version, l.Date, dir)
}

// buildFlags are the flags of go build that determine the bytes.
func (r *recipe) buildFlags(version string, date time.Time) []string {
	linker := []string{"-s", "-w", "-buildid="}
	if r.version != nil {
		values := r.version(version, date)
		names := make([]string, 0, len(values))
		for name := range values {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			linker = append(linker, "-X", name+"="+values[name])
		}
	}
	return []string{"-mod=readonly", "-trimpath", "-buildvcs=false", "-tags=" + r.tags, "-ldflags=" + strings.Join(linker, " ")}
}

// compile compiles all programs of a component into dir.
func (g *goCommand) compile(ctx context.Context, r *recipe, version string, date time.Time, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	list, err := g.run(ctx, append([]string{"list", "-mod=readonly", "-deps", "-tags=" + r.tags}, r.packages()...)...)
	if err != nil {
		return fmt.Errorf("listing packages: %w", err)
	}
	count := &counter{g: g, p: Progress{Component: r.name, Phase: Compiling, Total: bytes.Count(list, []byte("\n"))}}
	g.cfg.say(count.p)
	for _, t := range r.programs {
		args := append([]string{"go", "build", "-v"}, r.buildFlags(version, date)...)
		args = append(args, "-o", filepath.Join(dir, t.file()), t.packageName())
		err := g.cfg.Runner.Run(ctx, run.Command{Argv: args, Dir: g.dir, Env: g.env, Stderr: count})
		if err != nil {
			return count.explain(err)
		}
		if err := os.Chmod(filepath.Join(dir, t.file()), 0o755); err != nil { // whatever the umask
			return err
		}
	}
	return nil
}

// counter counts the packages that go build -v names on stderr, one a line,
// and keeps what else it says there.
type counter struct {
	g    *goCommand
	p    Progress
	part []byte // of a line
	said []string
}

func (c *counter) Write(data []byte) (int, error) {
	c.part = append(c.part, data...)
	for {
		line, rest, ok := bytes.Cut(c.part, []byte("\n"))
		if !ok {
			return len(data), nil
		}
		text := string(line)
		c.part = slices.Clone(rest)
		switch {
		case strings.ContainsAny(text, " \t"):
			c.said = append(c.said, text)
		case text != "":
			c.p.Done = min(c.p.Done+1, c.p.Total)
			c.g.cfg.say(c.p)
		}
	}
}

// explain takes the names of packages out of the message of an error.
func (c *counter) explain(err error) error {
	var failed *run.Error
	if errors.As(err, &failed) && len(c.said) > 0 {
		failed.Stderr = strings.Join(c.said[max(0, len(c.said)-20):], "\n")
	}
	return fmt.Errorf("compiling: %w", err)
}

// fetch brings the modules into the module cache and compares all of their
// files with the checksums: the Go command itself only looks at what it
// downloads, and not at what is in its cache.
func (g *goCommand) fetch(ctx context.Context, name string, modules []lock.Module) error {
	g.cfg.say(Progress{Component: name, Phase: Downloading, Total: len(modules)})
	var args []string
	for _, m := range modules {
		args = append(args, m.Path+"@"+m.Version)
	}
	found, err := g.download(ctx, args)
	if err != nil {
		if bad := mismatched(modules, err); len(bad) > 0 {
			return &TamperedError{Modules: bad}
		}
		return fmt.Errorf("downloading modules: %w", err)
	}
	if err := judge(modules, found, g.cfg.Offline); err != nil {
		return err
	}
	return g.check(ctx, name, modules, found)
}

// check reads all modules in the cache.
func (g *goCommand) check(ctx context.Context, name string, modules []lock.Module, found []download) error {
	wrong := make([]error, len(found))
	jobs := make(chan int)
	var wait sync.WaitGroup
	var mutex sync.Mutex // of the progress
	done := 0
	for range 4 { // reading, more than computing
		wait.Go(func() {
			for i := range jobs {
				d := found[i]
				sum, err := hashDir(d.Dir, d.Path+"@"+d.Version)
				if err != nil {
					err = fmt.Errorf("checking module %s %s: %w", d.Path, d.Version, err)
				} else if sum != d.Sum {
					err = errTampered
				}
				wrong[i] = err
				mutex.Lock()
				done++
				g.cfg.say(Progress{Component: name, Phase: Checking, Done: done, Total: len(found)})
				mutex.Unlock()
			}
		})
	}
	for i := range found {
		if ctx.Err() != nil {
			break
		}
		jobs <- i
	}
	close(jobs)
	wait.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	tampered := &TamperedError{Cache: true}
	for i, err := range wrong {
		if errors.Is(err, errTampered) {
			tampered.Modules = append(tampered.Modules, modules[indexOf(modules, found[i])])
		} else if err != nil {
			return err
		}
	}
	if len(tampered.Modules) > 0 {
		return tampered
	}
	return nil
}

// indexOf finds the locked module that was downloaded, or gives -1.
func indexOf(modules []lock.Module, d download) int {
	return slices.IndexFunc(modules, func(m lock.Module) bool { return m.Path == d.Path && m.Version == d.Version })
}
