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

// Files are fetched in batches, which the transport pipelines, and some batches
// at once. A run that is killed loses the batches that it was at.
const (
	batchFiles = 16
	batchBytes = 32 << 20
	batches    = 3
)

// spare is how much room on the disk is left for others: 64 MiB.
const spare = 64 << 20

// Downloader fetches package files into a folder, where each has its SHA-256
// as its name. It gives an error where one of them did not arrive. An
// *apt.State does this.
type Downloader interface {
	Download(ctx context.Context, packages []apt.Package, dir string) error
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
	group.SetLimit(batches)
	for _, batch := range split(missing) {
		group.Go(func() error { return f.fetch(ctx, batch) })
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
			state[i] = o.Cache.Verify(p.SHA256, p.Size)
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

// split makes batches, in order.
func split(packages []lock.Package) [][]lock.Package {
	var out [][]lock.Package
	var bytes int64
	for _, p := range packages {
		last := len(out) - 1
		if last < 0 || len(out[last]) == batchFiles || bytes+p.Size > batchBytes {
			out, bytes = append(out, nil), 0
			last++
		}
		out[last], bytes = append(out[last], p), bytes+p.Size
	}
	return out
}

// fetch brings a batch into the cache. Those that did not arrive are tried
// again one by one, to learn why.
func (f *fetcher) fetch(ctx context.Context, batch []lock.Package) error {
	left, err := f.try(ctx, batch)
	for _, p := range left {
		if ctx.Err() != nil {
			return fmt.Errorf("fetching packages: %w", ctx.Err())
		}
		if len(batch) > 1 {
			var again []lock.Package
			if again, err = f.try(ctx, []lock.Package{p}); len(again) == 0 {
				continue
			}
		}
		if err := f.refuse(p, err); err != nil {
			return err
		}
	}
	return nil
}

// try downloads packages and takes what arrived into the cache. It gives the
// rest, with an error of one of them.
func (f *fetcher) try(ctx context.Context, packages []lock.Package) (left []lock.Package, err error) {
	var files []apt.Package
	for _, p := range packages {
		files = append(files, apt.Package{
			Name: p.Name, Version: p.Version, Architecture: p.Architecture, SHA256: p.SHA256,
			Size: p.Size, Archive: apt.Archive(p.Archive), File: p.File,
		})
	}
	failure := f.from.Download(ctx, files, f.dir)
	for _, p := range packages {
		path := filepath.Join(f.dir, p.SHA256)
		// The transport has checked it too. This is the check that counts.
		err := f.o.Cache.take(path, p.SHA256, p.Size)
		if err == nil {
			f.arrived(p)
			continue
		}
		left = append(left, p)
		if rerr := os.RemoveAll(path); rerr != nil {
			return left, fmt.Errorf("dropping a bad download: %w", rerr)
		}
		switch {
		case failure != nil:
		case errors.Is(err, errCorrupt):
			failure = apt.ErrTampered
		default:
			failure = err
		}
	}
	return left, failure
}

func (f *fetcher) arrived(p lock.Package) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left -= p.Size
	if f.o.Done != nil {
		f.o.Done(p, f.left)
	}
}

// refuse remembers what the mirror does not have or has changed, so that all
// of it can be told at once. Anything else ends the run.
func (f *fetcher) refuse(p lock.Package, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case errors.Is(err, apt.ErrGone):
		f.gone = append(f.gone, p)
	case errors.Is(err, apt.ErrTampered):
		f.tampered = append(f.tampered, p)
	default:
		return fmt.Errorf("fetching package %s: %w", title(p), err)
	}
	return nil
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
