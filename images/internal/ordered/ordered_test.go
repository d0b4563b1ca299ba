package ordered

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// squares is work that takes a random time.
func squares(emit func(slot *int, item int) error) Work[int, struct{}, *int] {
	return Work[int, struct{}, *int]{
		Worker: func() struct{} { return struct{}{} },
		Slot:   func() *int { return new(int) },
		Do: func(_ struct{}, slot *int, item int) error {
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
			*slot = item * item
			return nil
		},
		Emit: emit,
	}
}

func TestOrder(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		synctest.Test(t, func(t *testing.T) {
			next := 0
			err := Run(t.Context(), count(n), squares(func(slot *int, item int) error {
				if item != next || *slot != item*item {
					t.Fatalf("got item %d with %d, want item %d", item, *slot, next)
				}
				next++
				return nil
			}))
			if err != nil || next != n {
				t.Errorf("got %d items and error %v, want %d", next, err, n)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	synctest.Test(t, func(t *testing.T) {
		workers, slots := 0, 0
		var running, most atomic.Int32
		work := squares(func(*int, int) error { time.Sleep(time.Second); return nil }) // slower than the workers
		do := work.Do
		var lock = make(chan struct{}, 1)
		work.Worker = func() struct{} { lock <- struct{}{}; workers++; <-lock; return struct{}{} }
		work.Slot = func() *int { slots++; return new(int) }
		work.Do = func(w struct{}, slot *int, item int) error {
			now := running.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			defer running.Add(-1)
			return do(w, slot, item)
		}
		if err := Run(t.Context(), count(100), work); err != nil {
			t.Fatal(err)
		}
		if workers != 3 || slots != 7 || most.Load() != 3 {
			t.Errorf("got %d workers, %d slots, %d at once, want 3, 7, 3", workers, slots, most.Load())
		}
	})
}

// TestErrors runs in bubbles, which fail when a goroutine is left.
func TestErrors(t *testing.T) {
	bad, worse := errors.New("bad"), errors.New("worse")
	failAt := func(at int, err error) func(*int, int) error {
		return func(_ *int, item int) error {
			if item == at {
				return err
			}
			return nil
		}
	}
	t.Run("work", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			emitted := 0
			work := squares(func(*int, int) error { emitted++; return nil })
			work.Do = func(_ struct{}, _ *int, item int) error {
				if item == 50 {
					time.Sleep(time.Minute) // the later error comes first
					return bad
				}
				return failAt(51, worse)(nil, item)
			}
			if err := Run(t.Context(), count(1000), work); !errors.Is(err, bad) || emitted != 50 {
				t.Errorf("got %v after %d items, want %v after 50", err, emitted, bad)
			}
		})
	})
	t.Run("emit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if err := Run(t.Context(), count(1000), squares(failAt(50, bad))); !errors.Is(err, bad) {
				t.Errorf("got %v, want %v", err, bad)
			}
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			err := Run(ctx, count(1000), squares(func(_ *int, item int) error {
				if item == 50 {
					cancel(worse)
				} else if item > 50 {
					t.Errorf("emitted item %d after the end", item)
				}
				return nil
			}))
			if !errors.Is(err, worse) {
				t.Errorf("got %v, want %v", err, worse)
			}
		})
	})
	t.Run("cancelled before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := Run(ctx, count(1000), squares(func(*int, int) error { t.Error("emitted"); return nil }))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		})
	})
}
