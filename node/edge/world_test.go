package edge_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingot-k8s/ingot/node/edge"
	"github.com/ingot-k8s/ingot/node/kubeapi"
)

// world is a cluster's Lease, its edges, and who has the floating address. Time
// is that of a synctest bubble.
type world struct {
	t *testing.T

	mu     sync.Mutex
	lease  kubeapi.Lease
	down   bool // the API, for all
	events []string
	holds  map[string]bool // may have the address: from the start of take to the end of release
	shared bool            // two at once are expected
	random *rand.Rand      // makes everything take its time; nil for at once
}

func newWorld(t *testing.T) *world {
	return &world{t: t, lease: kubeapi.Lease{Version: "1"}, holds: map[string]bool{}}
}

// machine is one edge.
type machine struct {
	*world
	name string
	stop context.CancelFunc
	done chan struct{}

	cut, sick, dead bool // from the API; kube-proxy's health; silent for ever
	failTake        bool
	failRelease     bool
	slow            time.Duration // the hook
	state           edge.State
	said            []string
}

var errAway = errors.New("connection refused")

// add starts an edge.
func (w *world) add(name string) *machine {
	m := &machine{world: w, name: name}
	m.begin()
	return m
}

// begin starts its process, again where there was one.
func (m *machine) begin() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	m.stop, m.done = stop, done
	say := func(format string, args ...any) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.said = append(m.said, fmt.Sprintf(format, args...))
	}
	e := edge.New(edge.Config{
		Node: m.name, Now: time.Now, Leases: m, Healthy: m.healthy, Hook: m.hook, Say: say, Is: say,
		Note: func(s edge.State) { m.mu.Lock(); m.state = s; m.mu.Unlock() },
	})
	go func() {
		defer close(done)
		e.Run(ctx)
	}()
}

// end has it end in order, and waits.
func (m *machine) end() {
	m.stop()
	<-m.done
}

// die takes the machine away: nothing of it is heard any more.
func (m *machine) die() {
	m.set(func() { m.dead = true; delete(m.holds, m.name) })
	m.end()
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// delay makes a question or an answer late.
func (w *world) delay(most time.Duration) {
	w.mu.Lock()
	var d time.Duration
	if w.random != nil {
		d = time.Duration(w.random.Int64N(int64(most)))
	}
	w.mu.Unlock()
	time.Sleep(d)
}

const lateness = 2 * time.Second

func (m *machine) reach() error {
	if m.down || m.cut || m.dead {
		return errAway
	}
	return nil
}

func (m *machine) Get(context.Context) (*kubeapi.Lease, error) {
	m.delay(lateness)
	m.mu.Lock()
	l, err := m.lease, m.reach()
	m.mu.Unlock()
	m.delay(lateness)
	if err != nil {
		return nil, err
	}
	return &l, nil
}

func (m *machine) Put(_ context.Context, l *kubeapi.Lease) (*kubeapi.Lease, error) {
	m.delay(lateness)
	m.mu.Lock()
	err := m.reach()
	if err == nil && l.Version != m.lease.Version {
		err = &kubeapi.StatusError{Code: 409}
	}
	var now kubeapi.Lease
	if err == nil {
		version, _ := strconv.Atoi(m.lease.Version)
		m.lease = *l
		m.lease.Version = strconv.Itoa(version + 1)
		now = m.lease
	}
	m.mu.Unlock()
	m.delay(lateness)
	if err != nil {
		return nil, err
	}
	return &now, nil
}

func (m *machine) healthy(context.Context) error {
	m.delay(lateness)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sick {
		return errors.New("it answers 503")
	}
	return nil
}

func (m *machine) hook(ctx context.Context, verb string) error {
	m.mu.Lock()
	if m.dead {
		m.mu.Unlock()
		return errAway
	}
	m.events = append(m.events, m.name+" "+verb)
	if verb == edge.Take {
		m.holds[m.name] = true
		if len(m.holds) > 1 && !m.shared {
			m.t.Errorf("%v: %s takes the address, which %v has", time.Now(), m.name, m.holds)
		}
	}
	fail, slow := m.failTake, m.slow
	if verb == edge.Release {
		fail = m.failRelease
	}
	m.mu.Unlock()
	m.delay(10 * time.Second)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(slow):
	}
	if fail {
		return errors.New("exit status 1: no such token")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if verb == edge.Release {
		delete(m.holds, m.name)
	}
	return nil
}

// log takes what the hooks were asked for since it was last asked.
func (w *world) log() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.events, ", ")
	w.events = nil
	return out
}

// after lets time pass, and holds what the hooks were asked for meanwhile
// against what is wanted.
func (w *world) after(d time.Duration, want string) {
	w.t.Helper()
	time.Sleep(d)
	if got := w.log(); got != want {
		w.t.Errorf("after %v: got %q, want %q", d, got, want)
	}
}

// at is who has the address and says so.
func (w *world) at(machines ...*machine) string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, m := range machines {
		if m.state.Here {
			out = append(out, m.name)
		}
	}
	return strings.Join(out, " ")
}

// says is the edge's last note.
func (m *machine) says() edge.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// holder is who stands in the Lease.
func (w *world) holder() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lease.Holder
}
