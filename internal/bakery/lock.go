package bakery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/builder/component"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/epoch"
	"github.com/ingot-k8s/ingot/internal/run"
)

// LockError says that a lock is missing or does not fit, and what to do.
type LockError struct{ what, hint string }

// Error says what is wrong.
func (e *LockError) Error() string { return e.what }

// Hint says what to do about it.
func (e *LockError) Hint() string { return e.hint }

// ReadLock reads the lock of a cluster, or gives nil where there is none.
func ReadLock(c *cluster.Cluster) (*lock.Lock, error) {
	old, err := lock.Load(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return old, err
}

// lock gives the lock of the cluster if it fits, or nil where one is to be made.
func (b *Bakery) lock() (*lock.Lock, error) {
	old, err := ReadLock(b.Cluster)
	file := filepath.Join(b.Cluster.Dir, lock.File)
	switch {
	case err != nil:
		return nil, err
	case old == nil && b.Offline:
		return nil, &LockError{
			what: fmt.Sprintf("%s is missing, and without network it cannot be made", file),
			hint: fmt.Sprintf("run ingot lock %s where there is a network", b.Cluster.Def.Name),
		}
	case old != nil && !old.Fits(b.Cluster):
		return nil, &LockError{
			what: fmt.Sprintf("%s does not have what the definition asks for", file),
			hint: fmt.Sprintf("ingot lock %s adds what is missing and keeps the versions of the rest", b.Cluster.Def.Name),
		}
	}
	return old, nil
}

// LockOptions say how a lock is made.
type LockOptions struct {
	Old    *lock.Lock           // whose versions are kept; may be nil
	Update bool                 // take today's versions
	Names  []string             // of packages to update; none means all
	Say    func(message string) // told what it is at
}

// MakeLock finds today's versions of what the old lock has not, and of what is
// to be updated.
func MakeLock(ctx context.Context, c *cluster.Cluster, o LockOptions) (*lock.Lock, error) {
	said := ""
	return lock.Make(ctx, c, lock.Options{
		Runner: run.Exec{}, Environ: os.Environ(), Old: o.Old,
		Clock:     func(archive time.Time) (time.Time, error) { return epoch.FromEnv(os.LookupEnv, archive) },
		UpdateAll: o.Update && len(o.Names) == 0, Update: o.Names,
		Programs: component.Resolver(c, component.Config{Runner: run.Exec{}, Environ: os.Environ(), Progress: func(p component.Progress) {
			if text := p.String(); text != said {
				o.Say(text)
				said = text
			}
		}}),
	})
}
