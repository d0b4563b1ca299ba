package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
)

// followEvery is how often the lab's process is asked how it is; it answers
// from memory.
const followEvery = time.Second

// notHealthyError is a cluster that did not become healthy.
type notHealthyError struct {
	status *lab.Status
	why    string
}

func (e *notHealthyError) Error() string { return e.why }

// labFollow shows how the cluster comes up, until it is healthy or will not be.
func (a *app) labFollow(ctx context.Context, c *cluster.Cluster, client *control.Client, limit time.Duration) (*lab.Status, error) {
	view := &labView{app: a, live: isTerminal(a.stderr)}
	defer view.end()
	deadline := time.Now().Add(limit)
	for {
		status, err := client.Status(ctx)
		if err != nil {
			return nil, labError(c, err)
		}
		view.show(status)
		problems := status.Problems()
		switch {
		case len(problems) == 0:
			view.end()
			a.say("cluster %q is healthy, %.0f s after the lab was started", c.Def.Name, status.At.Sub(status.Began).Seconds())
			return status, nil
		case slices.ContainsFunc(problems, func(p lab.Problem) bool { return p.Final }):
			return nil, &notHealthyError{status, fmt.Sprintf("cluster %q will not become healthy", c.Def.Name)}
		case time.Now().After(deadline):
			return nil, &notHealthyError{status, fmt.Sprintf("cluster %q is not healthy after %s", c.Def.Name, limit)}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(followEvery):
		}
	}
}

// labView shows a lab: on a terminal as a table that is written again,
// elsewhere as a line for each change.
type labView struct {
	app   *app
	live  bool
	last  *lab.Status
	lines int // of the table on the terminal
}

func (v *labView) show(s *lab.Status) {
	defer func() { v.last = s }()
	if !v.live {
		for _, line := range s.Changes(v.last) {
			v.app.say("%s", line)
		}
		return
	}
	v.clear()
	table := s.Table()
	v.lines = strings.Count(table, "\n")
	_, _ = fmt.Fprint(v.app.stderr, table)
}

func (v *labView) clear() {
	if v.lines > 0 {
		_, _ = fmt.Fprintf(v.app.stderr, "\r\x1b[%dA\x1b[J", v.lines)
	}
	v.lines = 0
}

// end leaves the last table where it is.
func (v *labView) end() { v.lines = 0 }

// labFailed says what is missing and where to look, and takes the lab down if
// it was asked to.
func (a *app) labFailed(ctx context.Context, c *cluster.Cluster, client *control.Client, f *labFlags, err error) error {
	name := c.Def.Name
	var failed *notHealthyError
	if errors.As(err, &failed) {
		for _, p := range failed.status.Problems() {
			a.say("%s", p)
			if m, ok := failed.status.Machine(p.Machine); ok {
				a.say("  look: ingot lab console %s %s, or its log %s", name, m.Name, m.Log)
			}
		}
		err = withHint(err, "the lab stays up: ingot lab status %[1]s shows it, ingot lab up %[1]s waits again, ingot lab down %[1]s ends it", name)
	}
	if f.rm {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if _, stop := client.Stop(tidy, 0); stop != nil && !errors.Is(stop, control.ErrDown) {
			a.say("error: ending the lab: %s", stop)
		} else {
			a.say("the lab was ended, as --rm asks for; logs and disks are in %s", a.labDir(c))
		}
		if failed != nil {
			return failed
		}
	} else if ctx.Err() != nil {
		a.say("the lab stays up: ingot lab up %[1]s waits again, ingot lab down %[1]s ends it", name)
	}
	return err
}

// stopTime is for the end of a lab whose machines need not shut down.
const stopTime = 30 * time.Second
