package edge_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingot-k8s/ingot/node/edge"
	"github.com/ingot-k8s/ingot/node/kubeapi"
)

const (
	soon = 4 * edge.Period               // for what takes a few looks
	late = edge.Duration + 3*edge.Period // for what is not heard of any more
	long = 30 * time.Minute              // in which nothing happens
)

// start has two edges, of which the first has the address.
func start(t *testing.T) (*world, *machine, *machine) {
	w := newWorld(t)
	a := w.add("a")
	w.after(soon, "a take")
	b := w.add("b")
	w.after(soon, "b release") // it may be there from an earlier process
	return w, a, b
}

func ended(machines ...*machine) {
	for _, m := range machines {
		m.end()
	}
}

func TestEdges(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, w *world, a, b *machine){
		"nothing happens": func(t *testing.T, w *world, a, b *machine) {
			w.after(long, "")
			if w.at(a, b) != "a" || b.says().Holder != "a" {
				t.Errorf("at %q; b says %+v", w.at(a, b), b.says())
			}
		},
		"silent death": func(_ *testing.T, w *world, a, _ *machine) {
			a.die()
			w.after(edge.Duration-edge.Period, "")
			w.after(late, "b take")
			w.after(long, "")
			a.set(func() { a.dead = false }) // it is started again
			a.begin()
			w.after(soon, "a release")
			w.after(long, "")
		},
		"end in order": func(_ *testing.T, w *world, a, _ *machine) {
			a.end()
			w.after(soon, "a release, b take")
		},
		"not healthy": func(_ *testing.T, w *world, a, b *machine) {
			a.set(func() { a.sick = true })
			w.after(2*soon, "a release, b take")
			a.set(func() { a.sick = false })
			w.after(long, "") // it does not go back by itself
			b.set(func() { b.sick = true })
			w.after(2*soon, "b release, a take")
		},
		"not healthy for a moment": func(_ *testing.T, w *world, a, _ *machine) {
			a.set(func() { a.sick = true })
			time.Sleep(edge.Period)
			a.set(func() { a.sick = false })
			w.after(long, "")
		},
		"none is healthy": func(_ *testing.T, w *world, a, b *machine) {
			a.set(func() { a.sick, b.sick = true, true })
			w.after(long, "a release")
			b.set(func() { b.sick = false })
			w.after(soon, "b take")
		},
		"the API is away": func(_ *testing.T, w *world, _, _ *machine) {
			w.set(func() { w.down = true })
			w.after(long, "")
			w.set(func() { w.down = false })
			w.after(long, "") // who has it had its time to renew
		},
		"the API is away, and it ends": func(_ *testing.T, w *world, a, _ *machine) {
			w.set(func() { w.down = true })
			a.end()
			w.after(long, "a release")
			w.set(func() { w.down = false })
			w.after(late, "b take")
		},
		"cut off": func(t *testing.T, w *world, a, b *machine) {
			w.set(func() { a.cut, w.shared = true, true })
			w.after(late, "b take")
			w.after(long, "") // it cannot know
			w.set(func() { a.cut = false })
			w.after(soon, "a release")
			if got := w.at(a, b); got != "b" {
				t.Errorf("at %q", got)
			}
		},
		"killed and started again": func(_ *testing.T, w *world, a, _ *machine) {
			a.set(func() { a.dead = true })
			a.end()
			a.set(func() { a.dead = false })
			a.begin()
			w.after(soon, "a take")
			w.after(long, "")
		},
		"killed and started again, not healthy": func(_ *testing.T, w *world, a, _ *machine) {
			a.set(func() { a.dead = true })
			a.end()
			a.set(func() { a.dead, a.sick = false, true })
			a.begin()
			w.after(2*soon, "a release, b take")
		},
		"it cannot be released": func(_ *testing.T, w *world, a, _ *machine) {
			w.set(func() { a.sick, a.failRelease, w.shared = true, true, true })
			w.after(2*soon, "a release, b take")
			w.after(time.Minute, "a release, a release")
			w.set(func() { a.failRelease = false })
			w.after(time.Minute, "a release")
			w.after(long, "")
		},
		"the Lease is emptied": func(t *testing.T, w *world, a, b *machine) {
			b.end()
			w.set(func() { w.lease = kubeapi.Lease{Version: "77"} })
			w.after(soon, "a take")
			if got := w.at(a, b); got != "a" {
				t.Errorf("at %q", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, a, b := start(t)
				run(t, w, a, b)
				a.set(func() { a.failRelease = false })
				ended(a, b)
				if len(w.holds) > 0 {
					t.Errorf("all have ended, and %v may have it", w.holds)
				}
			})
		})
	}
}

// TestTakeFails: an edge that cannot take the address leaves it to others, and
// tries again when there are none.
func TestTakeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := &machine{world: w, name: "a", failTake: true}
		a.begin()
		w.after(soon, "a take, a release")
		if a.says().Here || !strings.Contains(a.says().Problem, "take: ") {
			t.Errorf("%+v", a.says())
		}
		w.after(70*time.Second, "a take, a release")
		b := w.add("b")
		w.after(soon, "b take")
		w.after(long, "")
		if a.says().Problem != "" {
			t.Errorf("it is not asked any more: %+v", a.says())
		}
		a.set(func() { a.failTake = false })
		b.end()
		w.after(soon, "b release, a take")
		a.end()
		if !strings.Contains(fmt.Sprint(a.said), "no such token") {
			t.Errorf("the reason is not said: %q", a.said)
		}
	})
}

// TestSlowHook: the Lease is kept while the hook runs, and a hook that does not
// end is ended.
func TestSlowHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := &machine{world: w, name: "a", slow: 50 * time.Second}
		a.begin()
		w.after(soon, "a take")
		b := w.add("b")
		w.after(time.Minute, "b release")
		if got := w.at(a, b); got != "a" {
			t.Errorf("at %q", got)
		}
		b.set(func() { b.slow = time.Hour })
		a.end()
		w.after(time.Minute, "a release, b take")
		b.set(func() { b.slow = 0 })
		w.after(soon, "b release")
		b.end()
		a.begin()
		w.after(soon, "a take")
		// Lost while it is being taken: it is not taken to the end.
		a.set(func() { w.lease.Holder, w.lease.Renewed, w.lease.Version = "c", "now", "1000" })
		a.set(func() { a.slow = 0 })
		w.after(edge.Period, "a release")
		a.end()
	})
}

// TestRandom: whatever happens to the edges and the API but that one alone is
// cut off, never have two the address; and when it is over, one has.
func TestRandom(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4}
	if text := os.Getenv("INGOT_TEST_SEED"); text != "" {
		var seed uint64
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { wander(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func wander(t *testing.T, random *rand.Rand) {
	w := newWorld(t)
	w.random = rand.New(rand.NewPCG(random.Uint64(), 1))
	machines := []*machine{w.add("a"), w.add("b"), w.add("c")}
	for range 120 {
		m := machines[random.IntN(len(machines))]
		switch random.IntN(6) {
		case 0:
			m.set(func() { m.sick = !m.sick })
		case 1:
			m.set(func() { m.failTake = !m.failTake })
		case 2:
			m.set(func() { w.down = !w.down })
		case 3: // a machine that is started again
			m.end()
			m.begin()
		case 4:
			slow := time.Duration(random.IntN(45)) * time.Second // with the delays, within the hook's time
			m.set(func() { m.slow = slow })
		case 5: // one that dies, and comes back
			m.die()
			time.Sleep(time.Duration(random.IntN(60)) * time.Second)
			m.set(func() { m.dead = false })
			m.begin()
		}
		time.Sleep(time.Duration(random.IntN(90)) * time.Second)
	}
	w.set(func() {
		w.down = false
		for _, m := range machines {
			m.sick, m.failTake, m.slow = false, false, 0
		}
	})
	time.Sleep(5 * time.Minute)
	if got := w.at(machines...); got != w.holder() || got == "" {
		t.Errorf("at the end it is at %q; the Lease says %q", got, w.holder())
	}
	ended(machines...)
}
