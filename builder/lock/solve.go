package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder/apt"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Options say how a lock is made.
type Options struct {
	Runner  run.Runner
	Environ []string // the environment, as os.Environ gives it

	// Clock turns the date of the archive into the lock's date (see
	// [epoch.FromEnv]); nil takes it as it is.
	Clock func(archive time.Time) (time.Time, error)

	Old       *Lock    // the lock there is, or nil
	UpdateAll bool     // take today's version of everything
	Update    []string // take today's version of these packages or components, or of the toolchain

	// Programs finds what the components are made of that are no Debian
	// packages, keeping what the old lock has of those that are not to be
	// updated (see package component). Nil leaves them as they are.
	Programs func(ctx context.Context, old *Programs, update func(component string) bool) (Programs, error)
}

// Make solves the lock of a cluster from the signed files of its mirrors.
// Versions of the old lock stay, except of what is to be updated, what no
// longer belongs to the image and, in an update, what that needs newer or the
// mirror no longer has. Packages that
// the archives do not have are a *diag.ReportError with their places in the
// definition; without an update, locked ones that they no longer have are a
// *GoneError.
func Make(ctx context.Context, c *cluster.Cluster, o Options) (*Lock, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ingot-apt-")
	if err != nil {
		return nil, fmt.Errorf("preparing apt: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing in it is worth an error
	state, err := Open(ctx, dir, c, o.Runner, o.Environ)
	if err != nil {
		return nil, err
	}
	if err := state.Update(ctx); err != nil {
		return nil, err
	}
	pins := o.pins(c)
	requests := Requests(c)
	found, err := o.solve(ctx, state, requested(c), pins)
	var missing *apt.MissingError
	if errors.As(err, &missing) {
		return nil, missingReport(c, requests, missing.Names)
	}
	if err != nil {
		return nil, err
	}
	l := &Lock{Debian: Debian{Release: c.Def.Image.Debian, Requested: requested(c)}}
	loaders, err := state.Find(ctx, BootPackages(), pins)
	if err != nil {
		return nil, err
	}
	l.Debian.Packages, l.Debian.Boot = packages(found), packages(loaders)
	l.Images = preloaded(c)
	if o.Old != nil {
		l.Programs = o.Old.Programs
	}
	if o.Programs != nil {
		if l.Programs, err = o.Programs(ctx, &l.Programs, o.updates); err != nil {
			return nil, err
		}
	}
	l.sortAll()
	if err := virtualReport(c, requests, l); err != nil {
		return nil, err
	}
	if len(o.Update) == 0 && !o.UpdateAll {
		if err := kept(l, pins); err != nil {
			return nil, err
		}
	}
	if l.Date, err = state.Date(); err != nil {
		return nil, err
	}
	if o.Clock != nil {
		if l.Date, err = o.Clock(l.Date); err != nil {
			return nil, err
		}
	}
	// What changes nothing keeps the clock, and so every byte of the image.
	if o.Old != nil && len(Diff(o.Old, l)) == 0 {
		l.Date = o.Old.Date
	}
	return l, nil
}

// packages gives what apt found the form of a lock.
func packages(found []apt.Package) []Package {
	var out []Package
	for _, p := range found {
		out = append(out, Package{
			Name: p.Name, Version: p.Version, Architecture: p.Architecture, SHA256: p.SHA256,
			Size: p.Size, Archive: string(p.Archive), File: p.File,
		})
	}
	return out
}

// Open prepares apt for a cluster in dir, an empty folder: with the mirror of
// the definition, or those of the host's apt.
func Open(ctx context.Context, dir string, c *cluster.Cluster, runner run.Runner, environ []string) (*apt.State, error) {
	host, err := apt.ReadHost(ctx, runner, environ)
	if err != nil {
		return nil, err
	}
	mirrors := host.Mirrors
	if uri := c.Def.Image.Mirror; uri != "" {
		mirrors = apt.MirrorsAt(uri, host.Mirrors)
	}
	return apt.NewState(dir, host, c.Def.Image.Debian, mirrors)
}

// check looks at what is to be updated, and turns components from Debian into
// their packages.
func (o *Options) check() error {
	var packages []string
	for _, name := range o.Update {
		known := o.Old != nil && (o.Old.versions()[name] != "" || o.Old.has(name) || name == "toolchain" && o.Old.Toolchain != "")
		for _, p := range componentPackages[name] {
			if o.Old != nil && o.Old.versions()[p] != "" {
				packages = append(packages, p)
				known = true
			}
		}
		if !known {
			return fmt.Errorf("updating lock: it has no package and no component %q", name)
		}
		packages = append(packages, name)
	}
	slices.Sort(packages)
	o.Update = slices.Compact(packages)
	return nil
}

// updates reports whether a component is to be updated.
func (o *Options) updates(component string) bool {
	return o.UpdateAll || slices.Contains(o.Update, component)
}

// pins are the versions that the new lock is to keep.
func (o *Options) pins(c *cluster.Cluster) map[string]string {
	if o.Old == nil || o.UpdateAll || o.Old.Debian.Release != c.Def.Image.Debian {
		return nil
	}
	pins := o.Old.versions()
	sources := map[string]bool{}
	for _, p := range o.Old.Debian.Files() {
		if slices.Contains(o.Update, p.Name) {
			sources[p.source()] = true
		}
	}
	for _, p := range o.Old.Debian.Files() {
		if sources[p.source()] {
			delete(pins, p.Name)
		}
	}
	return pins
}

// source is the name of the source package, as pools of archives are ordered
// by it. What is built from one source mostly needs its own version of the rest.
func (p *Package) source() string { return path.Base(path.Dir(p.File)) }

// solve asks apt. Where an update does not go with the versions that are
// pinned, what it needs is updated too, and what that needs, until it does.
func (o *Options) solve(ctx context.Context, state *apt.State, names []string, pins map[string]string) ([]apt.Package, error) {
	free := slices.DeleteFunc(slices.Clone(o.Update), func(name string) bool { return o.Old.versions()[name] == "" })
	for {
		found, err := state.Solve(ctx, names, pins)
		var conflict *apt.ConflictError
		if len(free) == 0 || !errors.As(err, &conflict) || ctx.Err() != nil {
			return found, err
		}
		needed, derr := state.Depends(ctx, free)
		if derr != nil {
			return nil, derr
		}
		free = nil
		for _, name := range needed {
			if _, pinned := pins[name]; pinned {
				delete(pins, name)
				free = append(free, name)
			}
		}
		if len(free) == 0 {
			return nil, err
		}
	}
}

// missingReport says where the definition names what the archives do not have.
func missingReport(c *cluster.Cluster, requests []Request, names []string) error {
	report := &diag.Report{}
	for _, name := range names {
		i := slices.IndexFunc(requests, func(r Request) bool { return r.Name == name })
		if i < 0 || requests[i].Path == "" {
			return fmt.Errorf("choosing packages: the archive of Debian %d has no package %q, which every image needs; is the mirror whole?", c.Def.Image.Debian, name)
		}
		report.Errorf(c.Where(requests[i].Path), requests[i].Path, "Debian %d has no package %q", c.Def.Image.Debian, name)
	}
	report.Sort()
	return report.Err()
}

// virtualReport says where the definition names what is no package by itself:
// apt takes the one that provides it, and tomorrow's may be another.
func virtualReport(c *cluster.Cluster, requests []Request, l *Lock) error {
	report := &diag.Report{}
	has := l.versions()
	for _, r := range requests {
		if has[r.Name] == "" {
			report.Errorf(c.Where(r.Path), r.Path, "%q is a virtual package; name the package that is meant", r.Name)
		}
	}
	report.Sort()
	return report.Err()
}

// GoneHint says what a person can do about locked packages that a mirror no
// longer has.
const GoneHint = "take today's versions with ingot lock CLUSTER --update, or name a mirror that still has them as image.mirror, such as a snapshot archive of the lock's date"

// GoneError is a lock whose packages the mirror no longer has.
type GoneError struct{ Packages []string }

func (e *GoneError) Error() string {
	return "the mirror no longer has what the lock names: " + strings.Join(e.Packages, ", ")
}

// Hint says what a person can do about it.
func (e *GoneError) Hint() string { return GoneHint }

// kept finds pinned versions that apt could not keep.
func kept(l *Lock, pins map[string]string) error {
	var gone []string
	for _, p := range l.Debian.Files() {
		if was := pins[p.Name]; was != "" && was != p.Version {
			gone = append(gone, p.Name+" "+was)
		}
	}
	if len(gone) > 0 {
		return &GoneError{Packages: gone}
	}
	return nil
}
