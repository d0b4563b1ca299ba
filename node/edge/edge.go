// Package edge decides which of the cluster's edges holds the floating address.
// They agree by a Lease of the Kubernetes API, as Kubernetes' own programs agree
// on their leader; who holds the Lease has the definition's hook take the
// address, and release it before it gives the Lease up.
//
// No clock of one machine is compared with that of another: a Lease whose record
// does not change is taken for given up when it was seen so often enough.
package edge

import (
	"context"
	"errors"
	"time"

	"github.com/ingot-k8s/ingot/node/kubeapi"
)

// The Lease that the edges agree by, and the hook in the image.
const (
	Namespace = "kube-system"
	Name      = "ingot-edge"
	HookPath  = "/usr/lib/ingot/edge/hook"
)

// Take and Release are the argument of the hook.
const (
	Take    = "take"
	Release = "release"
)

const (
	// Period is between two looks at the Lease and at the node's health.
	Period = 3 * time.Second
	// Duration is for how long the record of a holder must have been seen not to
	// change before another takes it. It is longer than the balancer on a node
	// may lead to a controller that is silent.
	Duration = 30 * time.Second
	// gap is how far apart looks may be that count together: what happened in a
	// longer one, as where the machine stood still, was not seen.
	gap = Duration / 3
	// asking bounds one question to the API.
	asking = gap - Period
	// hookTime bounds one run of the hook.
	hookTime = time.Minute
	// standBack is how long an edge whose hook cannot take the address leaves it
	// to others.
	standBack = time.Minute
	// again is between attempts to release what could not be released.
	again = 30 * time.Second
)

// Leases is the Lease of the edges.
type Leases interface {
	// Get gives it as it is.
	Get(ctx context.Context) (*kubeapi.Lease, error)
	// Put changes it, if it still is of the version that l has.
	Put(ctx context.Context, l *kubeapi.Lease) (*kubeapi.Lease, error)
}

// Config is what an edge works with.
type Config struct {
	Node   string           // its name in the Lease
	Now    func() time.Time // with the monotonic clock's reading, as time.Now has it
	Leases Leases
	// Healthy says why the node should get no traffic from outside, or nil.
	Healthy func(ctx context.Context) error
	// Hook runs the definition's program with Take or Release. Both may be asked
	// for again, and Release where the address is not here.
	Hook func(ctx context.Context, verb string) error
	// Say says what happened, Is how things are, once until they are otherwise.
	Say, Is func(format string, args ...any)
	// Note leaves for others what has become of the address here.
	Note func(State)
}

// possession is what is known about the address and this node.
type possession int

const (
	unknown possession = iota // nothing: another process may have taken it
	here
	away
)

// Elector is one edge. It is used by one goroutine.
type Elector struct {
	Config
	judge   judge
	row     row
	has     possession
	job     *job      // the run of the hook, or nil
	back    time.Time // until when it stands back
	retry   time.Time // when to try again to release
	tried   bool      // whether releasing was tried and has failed since the last take
	stop    bool      // whether the edge is to end
	problem string    // what the hook could not do
	failed  string    // with what it was asked for
	noted   *State
	silent  bool // it was said that the API says nothing
	refused bool // it was said that the API does not take the Lease
}

// job is a run of the hook.
type job struct {
	verb   string
	cancel context.CancelFunc
	lost   bool // it was cancelled because the address is not to be here any more
	done   chan error
}

// New makes an edge that knows nothing yet.
func New(cfg Config) *Elector { return &Elector{Config: cfg} }

// Run takes and releases the address until the context ends. Then it has
// released it and given the Lease up, or could not.
func (e *Elector) Run(ctx context.Context) {
	work := context.WithoutCancel(ctx)
	stopped := ctx.Done()
	e.observe(work)
	for !e.decide(work) {
		var done chan error // of no job: for ever
		if e.job != nil {
			done = e.job.done
		}
		timer := time.NewTimer(Period)
		select {
		case <-stopped:
			stopped, e.stop = nil, true
		case err := <-done:
			e.finish(err)
		case <-timer.C:
			if !e.stop {
				e.observe(work)
			}
		}
		timer.Stop()
	}
}

// observe asks how the node is.
func (e *Elector) observe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	err := e.Healthy(ctx)
	before := e.judge.verdict
	if now := e.judge.next(err == nil); now != before && now == bad {
		e.Say("this node should get no traffic from outside: %v", err)
	}
}

// decide looks at the Lease and does what follows. It reports whether the edge
// has ended.
func (e *Elector) decide(ctx context.Context) bool {
	l, err := e.get(ctx)
	if err != nil {
		// Whoever has the address keeps it: nobody else can get it without the API.
		e.row = row{}
		if !e.silent {
			e.Say("the API says nothing of the floating address, which stays where it is: %v", err)
		}
		e.silent = true
		if e.stop {
			e.release()
		}
		e.note("")
		return e.ended()
	}
	if e.silent {
		e.Say("the API answers again")
	}
	e.silent = false
	e.row.add(l, e.Now())
	mine := l.Holder == e.Node
	want := e.judge.verdict == good && !e.stop && !e.Now().Before(e.back)
	switch {
	case mine && want:
		e.hold(ctx, l)
	case mine:
		mine = !e.leave(ctx, l)
	case want && e.job == nil && e.row.free(l):
		mine = e.acquire(ctx, l)
	case l.Holder != "" || e.judge.verdict != undecided || e.stop:
		e.release()
	}
	if !mine {
		e.tell(l)
	}
	return !mine && e.ended()
}

func (e *Elector) get(ctx context.Context) (*kubeapi.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	return e.Leases.Get(ctx)
}

// put writes the Lease. Where another was quicker the next look shows it.
func (e *Elector) put(ctx context.Context, l *kubeapi.Lease) bool {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	after, err := e.Leases.Put(ctx, l)
	var status *kubeapi.StatusError
	switch {
	case errors.As(err, &status) && status.Code == 409:
		return false
	case err != nil:
		if !e.refused {
			e.Say("the API does not take the Lease: %v", err)
		}
		e.refused = true
		return false
	}
	e.refused = false
	e.row.add(after, e.Now())
	return true
}

// acquire takes the Lease, and then the address. It reports whether it has the
// Lease.
func (e *Elector) acquire(ctx context.Context, l *kubeapi.Lease) bool {
	next, now := *l, kubeapi.MicroTime(e.Now())
	next.Holder, next.Duration, next.Renewed, next.Acquired = e.Node, Duration, now, now
	next.Transitions++
	if !e.put(ctx, &next) {
		return false
	}
	if l.Holder != "" {
		e.Say("%s, which had the floating address, is not heard of any more", l.Holder)
	}
	e.start(Take)
	return true
}

// hold renews the Lease, and has the address taken where it is not here yet.
func (e *Elector) hold(ctx context.Context, l *kubeapi.Lease) {
	next := *l
	next.Duration, next.Renewed = Duration, kubeapi.MicroTime(e.Now())
	if e.put(ctx, &next) && e.has != here && e.job == nil {
		e.start(Take)
	}
	if e.has == here {
		e.Is("the floating address is here")
	}
	e.note(e.Node)
}

// leave releases the address and then gives the Lease up, which it renews until
// then. It reports whether it has.
func (e *Elector) leave(ctx context.Context, l *kubeapi.Lease) bool {
	if e.judge.verdict == undecided && !e.stop {
		return false // of an earlier process: soon it is known what to do
	}
	next := *l
	next.Renewed = kubeapi.MicroTime(e.Now())
	if e.job == nil && (e.has == away || e.tried) {
		next.Holder = ""
		gone := e.put(ctx, &next)
		if gone {
			e.Say("the floating address is free for others")
		}
		return gone
	}
	e.release()
	e.put(ctx, &next)
	e.note(e.Node)
	return false
}

// release has the hook release the address, when a run of it has ended.
func (e *Elector) release() {
	switch {
	case e.job != nil && e.job.verb == Take:
		e.job.lost = true
		e.job.cancel()
	case e.job == nil && e.has != away && !e.Now().Before(e.retry):
		e.start(Release)
	}
}

// start runs the hook.
func (e *Elector) start(verb string) {
	if verb == Take {
		e.tried, e.retry = false, time.Time{}
	}
	e.has = unknown
	ctx, cancel := context.WithTimeout(context.Background(), hookTime)
	j := &job{verb: verb, cancel: cancel, done: make(chan error, 1)}
	e.job = j
	go func() {
		defer cancel()
		j.done <- e.Hook(ctx, verb)
	}()
}

// finish is what follows from a run of the hook.
func (e *Elector) finish(err error) {
	j := e.job
	e.job = nil
	if err != nil && !j.lost {
		e.problem, e.failed = j.verb+": "+err.Error(), j.verb
	} else if err == nil && (j.verb == Take || e.failed == Release) {
		e.problem = "" // that it cannot be taken, no release mends
	}
	switch {
	case j.verb == Take && err == nil:
		e.has = here
	case j.verb == Take && j.lost:
	case j.verb == Take:
		e.back = e.Now().Add(standBack)
		e.Say("the floating address cannot be taken, and is left to others for %v: %v", standBack, err)
	case err == nil:
		e.has = away
	default:
		e.tried, e.retry = true, e.Now().Add(again)
		e.Say("the floating address cannot be released: %v", err)
	}
}

// ended reports whether nothing is left to do for an edge that is to end.
func (e *Elector) ended() bool {
	return e.stop && e.job == nil && (e.has == away || e.tried)
}

// tell says who has the address, where it is not this node.
func (e *Elector) tell(l *kubeapi.Lease) {
	switch l.Holder {
	case "", e.Node: // it comes, or goes, this moment
		e.note("")
	default:
		if e.failed == Take && !e.Now().Before(e.back) {
			e.problem = "" // it is not asked for here any more
		}
		e.Is("the floating address is at %s", l.Holder)
		e.note(l.Holder)
	}
}
