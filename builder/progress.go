package builder

import (
	"sync"
	"time"
)

// Progress is told what a bake is at. Its methods are called by several
// goroutines at once.
type Progress interface {
	// Begin says that a step has begun.
	Begin(step string)
	// Advance says how far a step is, of a total that is 0 where it is unknown.
	// The unit is bytes where the step moves data, else files.
	Advance(step string, done, total int64)
	// Say is a word about a step, such as what it is waiting for.
	Say(step, text string)
	// End says that a step has ended, with how many bytes it made or took from
	// the cache.
	End(step string, took time.Duration, cached bool, size int64, err error)
}

// silence is a Progress that nobody listens to.
type silence struct{}

func (silence) Begin(string)                                  {}
func (silence) Advance(string, int64, int64)                  {}
func (silence) Say(string, string)                            {}
func (silence) End(string, time.Duration, bool, int64, error) {}

var _ Progress = silence{}

// task is a step that is being done.
type task struct {
	name     string
	progress Progress
	cached   bool
	size     int64
}

func (t *task) advance(done, total int64) { t.progress.Advance(t.name, done, total) }

func (t *task) say(text string) { t.progress.Say(t.name, text) }

// timings are those of a bake so far.
type timings struct {
	mu  sync.Mutex
	all []Timing
}

// timed does a step, tells the progress of it and notes its time.
func (b *bake) timed(name string, work func(t *task) error) error {
	t := &task{name: name, progress: b.Progress}
	began := b.Now()
	t.progress.Begin(name)
	err := work(t)
	took := b.Now().Sub(began)
	t.progress.End(name, took, t.cached, t.size, err)
	b.timings.mu.Lock()
	defer b.timings.mu.Unlock()
	b.timings.all = append(b.timings.all, Timing{Step: name, Seconds: float64(took.Milliseconds()) / 1000, Cached: t.cached})
	return err
}
