// Package ordered runs work on all processors and hands on the results in the
// order of the work, with a bounded number of them in memory.
package ordered

import (
	"context"
	"iter"
	"runtime"
	"sync"
)

// maxWorkers bounds the memory on machines with very many processors: each
// worker has a compressor of several megabytes.
const maxWorkers = 32

// Work is what is done to every item. I is what an item is, W what a goroutine
// keeps between items (a compressor), S where the result of an item is put and
// what it needs on the way (buffers).
type Work[I, W, S any] struct {
	// Worker makes the state of one goroutine.
	Worker func() W
	// Slot makes room for one result. Slots are used again, uncleared.
	Slot func() S
	// Do works on an item, concurrently with other items.
	Do func(worker W, slot S, item I) error
	// Emit takes a result, in the goroutine that called Run, in the order of
	// the items.
	Emit func(slot S, item I) error
}

// Run works on all items and returns the first error in the order of the
// items, or the cause of ctx's end. All its goroutines have ended when it
// returns. items is iterated over in a goroutine of its own.
func Run[I, W, S any](ctx context.Context, items iter.Seq[I], work Work[I, W, S]) error {
	inner, stop := context.WithCancel(ctx)
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	r := &run[I, W, S]{
		work:  work,
		free:  make(chan S, 2*workers+1),
		todo:  make(chan *task[I, S]),
		queue: make(chan *task[I, S], 2*workers+1),
	}
	var goroutines sync.WaitGroup
	goroutines.Go(func() { r.dispatch(inner, items) })
	for range workers {
		goroutines.Go(func() { r.labour(inner) })
	}
	err := r.collect(inner)
	stop()
	goroutines.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

type task[I, S any] struct {
	item I
	slot S
	err  error
	done chan struct{}
}

type run[I, W, S any] struct {
	work  Work[I, W, S]
	free  chan S           // slots for use; as many as there can be have room
	todo  chan *task[I, S] // for any worker
	queue chan *task[I, S] // in order; each holds a slot, so it never blocks
}

// dispatch gives every item a slot, a place in the queue and a worker.
func (r *run[I, W, S]) dispatch(ctx context.Context, items iter.Seq[I]) {
	defer close(r.queue)
	defer close(r.todo)
	made := 0
	for item := range items {
		t := &task[I, S]{item: item, done: make(chan struct{})}
		select {
		case t.slot = <-r.free:
		default:
			if made < cap(r.free) {
				t.slot = r.work.Slot()
				made++
				break
			}
			select {
			case t.slot = <-r.free:
			case <-ctx.Done():
				return
			}
		}
		r.queue <- t
		select {
		case r.todo <- t:
		case <-ctx.Done():
			return
		}
	}
}

// labour works on what is there to do.
func (r *run[I, W, S]) labour(ctx context.Context) {
	worker := r.work.Worker()
	for t := range r.todo {
		if ctx.Err() == nil {
			t.err = r.work.Do(worker, t.slot, t.item)
		}
		close(t.done)
	}
}

// collect emits in order.
func (r *run[I, W, S]) collect(ctx context.Context) error {
	for t := range r.queue {
		select {
		case <-t.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if t.err != nil {
			return t.err
		}
		if err := r.work.Emit(t.slot, t.item); err != nil {
			return err
		}
		r.free <- t.slot
	}
	return ctx.Err()
}
