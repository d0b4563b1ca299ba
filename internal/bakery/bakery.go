// Package bakery gathers what a bake needs: it holds the definition against the
// lock and this machine, opens the cache, and makes keys and lock where there
// are none. The command line and the Packer plugin both call it, so that both
// bake the same.
package bakery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/leak"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/preflight"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/nodeprogram"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/pki"
)

// Bakery is where a cluster is baked.
type Bakery struct {
	Cluster *cluster.Cluster
	Keys    *pki.Store
	Dir     string // for the images; made if need be
	Version string // of ingot, for the bill of materials
	Offline bool   // use nothing but the lock and the cache

	Progress builder.Progress                // may be nil
	Warn     func(message string)            // may be nil
	Say      func(message string)            // told what is made before the bake
	Ensure   func(ctx context.Context) error // brings the key store up to date
	Now      func() time.Time                // to time the steps
}

// Check looks for what would go wrong later, before keys, a lock or a cache are
// made. The report has what is wrong with the definition for its targets; it is
// nil where the lock is at fault.
func (b *Bakery) Check() (*diag.Report, error) {
	if _, err := b.lock(); err != nil {
		return nil, err
	}
	return b.preflight()
}

// Open makes keys and a lock where there are none, and gives what [builder.Bake]
// needs. The caller closes the store.
func (b *Bakery) Open(ctx context.Context) (*builder.Config, error) {
	cfg, err := b.Equip()
	if err != nil {
		return nil, err
	}
	if err := b.provide(ctx, cfg); err != nil {
		return nil, errors.Join(err, cfg.Store.Close())
	}
	return cfg, nil
}

// provide adds keys and lock.
func (b *Bakery) provide(ctx context.Context, cfg *builder.Config) (err error) {
	if err := b.Ensure(ctx); err != nil {
		return err
	}
	if err := Public(cfg, b.Keys); err != nil {
		return err
	}
	if cfg.Lock, err = b.lock(); err != nil || cfg.Lock != nil {
		return err
	}
	b.Say(fmt.Sprintf("making %s: every input by version and hash", filepath.Join(b.Cluster.Dir, lock.File)))
	if cfg.Lock, err = MakeLock(ctx, b.Cluster, LockOptions{Say: b.Say}); err != nil {
		return err
	}
	return cfg.Lock.Save(b.Cluster.Dir)
}

// Equip gathers what a bake of a cluster needs but its keys and its lock. The
// caller closes the store.
func (b *Bakery) Equip() (*builder.Config, error) {
	program, err := nodeprogram.Program()
	if err != nil {
		return nil, err
	}
	cache, err := OpenCache()
	if err != nil {
		return nil, err
	}
	kept, err := step.Open(cache)
	if err != nil {
		return nil, err
	}
	kept.Warn = b.Warn
	if b.Progress != nil {
		kept.Wait = func(step string) { b.Progress.Say(step, "waiting for another bake, which is at it") }
	}
	return &builder.Config{
		Cluster: b.Cluster, Program: program, Version: b.Version, Traces: traces(), Dir: b.Dir,
		Store: kept, Runner: run.Exec{}, Environ: os.Environ(), Root: os.Geteuid() == 0, Offline: b.Offline,
		Progress: b.Progress, Warn: b.Warn, Now: b.Now,
	}, nil
}

// OpenCache opens the user's cache.
func OpenCache() (*fetch.Cache, error) {
	dir, err := fetch.DefaultDir()
	if err != nil {
		return nil, err
	}
	return fetch.OpenCache(dir)
}

// Public adds the public part of the key store to a bake, and what of the rest
// must not be in the image.
func Public(b *builder.Config, store *pki.Store) (err error) {
	if b.Public, err = store.Public(); err != nil {
		return err
	}
	b.Secrets, err = store.Secrets()
	return err
}

// traces are this machine and who sits here. What cannot be known is not looked
// for.
func traces() leak.Traces {
	var t leak.Traces
	if name, err := os.Hostname(); err == nil {
		t.Host = name
	}
	if u, err := user.Current(); err == nil {
		t.User = u.Username
	}
	if home, err := os.UserHomeDir(); err == nil {
		t.Home = home
	}
	return t
}

// Room that a bake takes at most, in bytes: about twice what was measured with
// all formats and components from source.
const (
	cacheRoom = 4 << 30
	tempRoom  = 2 << 30
	outRoom   = 3 << 30
)

// preflight looks at this machine and the targets.
func (b *Bakery) preflight() (*diag.Report, error) {
	cache, err := fetch.DefaultDir()
	if err != nil {
		return nil, err
	}
	return preflight.Check(b.Cluster, preflight.This(os.Getenv("PATH")), []preflight.Room{
		{What: "the cache", Dir: cache, Bytes: cacheRoom},
		{What: "temporary files", Dir: os.TempDir(), Bytes: tempRoom},
		{What: "images", Dir: b.Dir, Bytes: outRoom},
	})
}
