package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/ingot-k8s/ingot/builder/apt"
	"github.com/ingot-k8s/ingot/builder/lock"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// downloads is how many files are fetched at once: enough to hide the time
// that a mirror takes to answer, few enough to be a polite guest.
const downloads = 6

// spare is how much room on the disk is left for others: 64 MiB.
const spare = 64 << 20

// Downloader fetches one package file to a path; an *apt.State does.
type Downloader interface {
	Download(ctx context.Context, p apt.Package, to string) error
}

var _ Downloader = (*apt.State)(nil)

// Options say how packages are fetched.
type Options struct {
	Cache   *Cache
	Offline bool // use nothing but the cache

	// Open prepares the transport in an empty folder. It is called only where
	// something has to be fetched.
	Open func(ctx context.Context, dir string) (Downloader, error)

	Warn func(message string)             // told of what was mended; may be nil
	Plan func(files int, bytes int64)     // told once what has to be fetched; may be nil
	Done func(p lock.Package, left int64) // told of each file that was fetched, with the bytes that are left; may be nil
}

// Packages brings package files into the cache and checks the size and SHA-256
// of every one of them, new or old. A corrupt file in the cache is fetched
// again. Files that arrived stay, so a run that was stopped goes on where it
// was. The error wraps *OfflineError, *GoneError or *TamperedError, with all
// packages that it is about.
func Packages(ctx context.Context, packages []lock.Package, o Options) error {
	missing, err := o.missing(ctx, packages)
	if err != nil || len(missing) == 0 {
		return err
	}
	if o.Offline {
		return &OfflineError{Packages: missing}
	}
	var total int64
	for _, p := range missing {
		total += p.Size
	}
	if err := o.Cache.room(total); err != nil {
		return err
	}
	if o.Plan != nil {
		o.Plan(len(missing), total)
	}
	dir, release, err := o.Cache.workspace()
	if err != nil {
		return err
	}
	defer release()
	state := filepath.Join(dir, "apt")
	if err := os.Mkdir(state, 0o700); err != nil {
		return fmt.Errorf("preparing downloads: %w", err)
	}
	from, err := o.Open(ctx, state)
	if err != nil {
		return err
	}
	f := &fetcher{o: o, from: from, dir: dir, left: total}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(downloads)
	for _, p := range missing {
		group.Go(func() error { return f.fetch(ctx, p) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return f.refused()
}

// missing checks what is in the cache and lists the rest.
func (o *Options) missing(ctx context.Context, packages []lock.Package) ([]lock.Package, error) {
	state := make([]error, len(packages))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range packages {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			state[i] = o.Cache.verify(p.SHA256, p.Size)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var missing []lock.Package
	for i, p := range packages {
		switch err := state[i]; {
		case err == nil:
			continue
		case errors.Is(err, errCorrupt):
			if o.Warn != nil {
				o.Warn(fmt.Sprintf("package %s in the cache is damaged and is dropped", title(p)))
			}
			if err := os.RemoveAll(o.Cache.Path(p.SHA256)); err != nil {
				return nil, fmt.Errorf("dropping a damaged file: %w", err)
			}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("reading the cache: %w", err)
		}
		missing = append(missing, p)
	}
	return missing, nil
}

// room says so before the disk is full.
func (c *Cache) room(bytes int64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(c.dir, &s); err != nil {
		return fmt.Errorf("looking for room in the cache: %w", err)
	}
	if free := int64(s.Bavail) * s.Bsize; free < bytes+spare {
		return fmt.Errorf("fetching packages: %d MB are needed in %q, and %d MB are free", (bytes+spare)>>20, c.dir, free>>20)
	}
	return nil
}

// fetcher is one run of downloads.
type fetcher struct {
	o    Options
	from Downloader
	dir  string

	mu       sync.Mutex
	left     int64
	gone     []lock.Package
	tampered []lock.Package
}

// fetch brings one file into the cache. What the mirror does not have, or has
// changed, is remembered, so that all of it can be told at once.
func (f *fetcher) fetch(ctx context.Context, p lock.Package) error {
	to := filepath.Join(f.dir, p.SHA256)
	err := f.from.Download(ctx, apt.Package{
		Name: p.Name, Version: p.Version, Architecture: p.Architecture, SHA256: p.SHA256,
		Size: p.Size, Archive: apt.Archive(p.Archive), File: p.File,
	}, to)
	if err == nil {
		// The transport has checked it. This is the check that counts.
		err = f.o.Cache.take(to, p.SHA256, p.Size)
		if errors.Is(err, errCorrupt) {
			err = apt.ErrTampered
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.left -= p.Size
		if f.o.Done != nil {
			f.o.Done(p, f.left)
		}
		return nil
	case errors.Is(err, apt.ErrGone):
		f.gone = append(f.gone, p)
		return nil
	case errors.Is(err, apt.ErrTampered):
		f.tampered = append(f.tampered, p)
		return nil
	}
	return fmt.Errorf("fetching package %s: %w", title(p), err)
}

func (f *fetcher) refused() error {
	var errs []error
	if len(f.tampered) > 0 {
		errs = append(errs, &TamperedError{Packages: sorted(f.tampered)})
	}
	if len(f.gone) > 0 {
		errs = append(errs, &GoneError{Packages: sorted(f.gone)})
	}
	return errors.Join(errs...)
}

func sorted(packages []lock.Package) []lock.Package {
	slices.SortFunc(packages, func(a, b lock.Package) int { return strings.Compare(a.Name, b.Name) })
	return packages
}
