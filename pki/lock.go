package pki

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of the time between two looks at a lock that another run has.
const (
	lockPollMin = 10 * time.Millisecond
	lockPollMax = 250 * time.Millisecond
)

// lock waits for the exclusive lock of a file, which it makes if needed, and
// calls waiting once where another run makes it wait for long. The kernel frees
// the lock when the process ends, however it ends. The file stays.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	// Read-only: a complete store on a read-only file system can be locked too.
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("locking %q: it is a symbolic link", path)
	}
	if err != nil {
		return nil, fmt.Errorf("locking key store: %w", err)
	}
	for wait := lockPollMin; ; wait = min(2*wait, lockPollMax) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %q: %w", path, err)
		}
		if wait == lockPollMax && waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("locking %q, which another run holds: %w", path, ctx.Err())
		case <-time.After(wait):
		}
	}
}
