package etcd

import (
	"testing"
	"time"
)

// TestFirstStart: two of three wait for the third, which is late, and then all
// are one cluster, which comes back after a power cut of all.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	t.Cleanup(w.tearDown)
	a, b, c := w.machines[0], w.machines[1], w.machines[2]
	a.on()
	w.hears(a, "lab1 does not answer, lab2 does not answer")
	b.on()
	w.hears(a, "lab2 does not answer; lab1 has no data either")
	w.stays("without the third", 2*time.Second, func() error { return untouched(a) })
	must(t, untouched(b))
	c.on()
	w.well(a, b, c)
	w.put(a, "greeting", "hello")
	w.holds("greeting", "hello", a, b, c)
	w.hears(c, "is a voting member, one of 3")

	first, err := readData(a.root)
	must(t, err)
	for _, m := range w.machines {
		m.off()
		m.forget()
	}
	for _, m := range w.machines {
		m.on()
	}
	w.hears(b, "comes back")
	w.well(a, b, c)
	w.holds("greeting", "hello", a, b, c)
	again, err := readData(a.root)
	must(t, err)
	if first != again || first.Cluster == 0 {
		t.Errorf("it was %v and is %v", first, again)
	}
}
