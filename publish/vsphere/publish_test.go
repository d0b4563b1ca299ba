package vsphere

import (
	"slices"
	"testing"
)

// TestPublish goes from nothing to running machines, and again.
func TestPublish(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		before := w.state(t)

		w.cfg.DryRun = true
		dry := w.publish(t)
		want(t, "the inventory after a dry run", w.state(t), before)
		want(t, "calls of a dry run", w.Calls(), nil)

		w.cfg.DryRun = false
		s := w.publish(t)
		want(t, "calls that the server saw", w.Calls(), methodsOf(s))
		want(t, "calls of the dry run", dry.Calls, s.Calls)
		items := []string{"template prod-" + imageA + " created", "machine master0 created", "machine worker0 created"}
		want(t, "items", states(s), items)
		want(t, "items of the dry run", states(dry), items)

		after := w.state(t)
		w.Forget(nil)
		s = w.publish(t)
		want(t, "items of a second run", states(s), []string{"template prod-" + imageA + " kept", "machine master0 kept", "machine worker0 kept"})
		want(t, "calls of a second run", w.Calls(), nil)
		want(t, "the inventory after a second run", w.state(t), after)
		for _, line := range before {
			if !slices.Contains(after, line) {
				t.Errorf("%s: was there before, and is not now", line)
			}
		}
	})
}
