package vsphere

import (
	"context"
	"fmt"

	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/progress"
)

// job is what is done for one item, in order. A job without steps leaves the
// item as it is.
type job struct {
	name  string // of the step in the progress
	item  publish.Item
	steps []step
	// after completes the item when the steps are done, such as with an
	// address. It may be nil, and is left out in a dry run.
	after func(*publish.Item)
	// failed ends what a step has begun, where a later one did not come to an
	// end. It may be nil.
	failed func(context.Context)
}

// step is one call that changes something.
type step struct {
	call publish.Call
	do   func(ctx context.Context, say report) error
}

// report shows how far a step is.
type report func(done, total int64)

// add appends steps.
func (j *job) add(steps ...step) { j.steps = append(j.steps, steps...) }

// do does jobs, or in a dry run lists their calls.
func (r *run) do(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		if err := r.doOne(ctx, j); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		r.summary.Items = append(r.summary.Items, j.item)
	}
	return nil
}

func (r *run) doOne(ctx context.Context, j *job) (err error) {
	if len(j.steps) == 0 {
		return nil
	}
	if r.DryRun {
		for _, s := range j.steps {
			r.summary.Calls = append(r.summary.Calls, s.call)
		}
		return nil
	}
	began := r.Now()
	r.Progress.Begin(j.name)
	defer func() {
		if err != nil && j.failed != nil {
			j.failed(ctx)
		}
		r.Progress.End(j.name, r.Now().Sub(began), false, 0, err)
	}()
	for _, s := range j.steps {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		r.Progress.Say(j.name, s.call.Method)
		r.summary.Calls = append(r.summary.Calls, s.call)
		err := s.do(ctx, func(done, total int64) { r.Progress.Advance(j.name, done, total) })
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // whatever the server made of it
		}
		if err != nil {
			return fmt.Errorf("%s of %s: %w", s.call.Method, s.call.Target, err)
		}
	}
	if j.after != nil {
		j.after(&j.item)
	}
	return nil
}

// wait waits for a task of the server. An interruption ends the task, too, as
// far as the server can.
func (r *run) wait(ctx context.Context, task *object.Task, err error, say report) (any, error) {
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(ctx, percentages(say))
	if ctx.Err() != nil {
		last, cancel := late(ctx)
		defer cancel()
		_ = task.Cancel(last) // it may have ended meanwhile, or be of a kind that runs to its end
		_ = task.Wait(last)
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return info.Result, nil
}

// percentages shows a task's own progress.
type percentages report

// Sink implements progress.Sinker.
func (p percentages) Sink() chan<- progress.Report {
	ch := make(chan progress.Report)
	go func() {
		for at := range ch { // closed at the end of the task
			p(int64(at.Percentage()), 100)
		}
	}()
	return ch
}
