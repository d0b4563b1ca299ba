package etcd

import (
	"strings"
	"testing"
)

// TestModel: whatever happens, there are never two clusters, and no member
// starts anew with empty hands; and as long as no more disks are lost than a
// cluster can do without, nothing that was committed is lost, and in the end
// all are one cluster.
func TestModel(t *testing.T) {
	runs := 2000
	if testing.Short() {
		runs = 500
	}
	formed, replaced := 0, 0
	for seed := range runs {
		m := newModel(uint64(seed), modelSizes[seed%len(modelSizes)], seed%2 == 0)
		if what := m.holds(400 + seed%800); what != "" {
			t.Fatalf("seed %d: %s", seed, what)
		}
		formed += len(m.clusters)
		for _, line := range m.log {
			if strings.Contains(line, "joined") {
				replaced++
			}
		}
	}
	t.Logf("%d runs: %d clusters were started, %d members replaced", runs, formed, replaced)
	if formed < runs/2 || replaced < runs/10 {
		t.Error("the model does too little to show anything")
	}
}

var modelSizes = []int{1, 2, 3, 3, 3, 4, 5}

// together checks that in the end all are one cluster.
func (m *model) together() {
	for i, h := range m.hosts {
		if !h.etcd || h.disk.data == nil || !m.quorum(h.disk.data.cluster, i) {
			m.fail("in the end %s has no part in a cluster: %s", h.f.Me().Name, h.why(m, i))
		}
	}
}

// TestModelFindsFaults: rules that are only a little weaker do not hold in the
// model.
func TestModelFindsFaults(t *testing.T) {
	start := func(f *Facts, self Self, answers []Answer, ok func(a Answer) bool) (action, bool) {
		vector := make([]string, len(answers))
		for i, a := range answers {
			switch {
			case i == f.Self:
				vector[i] = self.Record.Nonce
			case !ok(a):
				return action{}, false
			case a.Said != nil:
				vector[i] = a.Said.Nonce
			}
		}
		return action{verb: startNew, vector: vector}, true
	}
	faults := map[string]func(f *Facts, self Self, answers []Answer) action{
		"starts when all are empty, without agreeing": func(f *Facts, self Self, answers []Answer) action {
			a, ok := start(f, self, answers, func(a Answer) bool { return a.Said != nil })
			if ok && !self.Data.There {
				return a
			}
			return decide(f, self, answers)
		},
		"takes silence for no data": func(f *Facts, self Self, answers []Answer) action {
			a, ok := start(f, self, answers, func(a Answer) bool { return a.Runs == nil })
			if ok && !self.Data.There {
				return a
			}
			return decide(f, self, answers)
		},
		"starts when it has agreed, without asking again": func(f *Facts, self Self, answers []Answer) action {
			if self.Record.agreed(f) && !self.Data.There {
				return action{verb: startNew, vector: self.Record.Vector}
			}
			return decide(f, self, answers)
		},
		"does not compare what was agreed": func(f *Facts, self Self, answers []Answer) action {
			if self.Record.agreed(f) && !self.Data.There {
				a, ok := start(f, self, answers, func(a Answer) bool { return a.Said != nil && a.Said.State == stateAgreed })
				if ok {
					a.vector = self.Record.Vector
					return a
				}
			}
			return decide(f, self, answers)
		},
	}
	for name, faulty := range faults {
		t.Run(name, func(t *testing.T) {
			for seed := range 20000 {
				m := newModel(uint64(seed), modelSizes[seed%len(modelSizes)], seed%2 == 0)
				m.decide = faulty
				if what := m.holds(400 + seed%800); what != "" {
					t.Logf("seed %d: %.200s", seed, what)
					return
				}
			}
			t.Error("the model did not find it")
		})
	}
}

// why is what a controller waits for.
func (h *host) why(m *model, i int) string {
	answers := make([]Answer, len(m.hosts))
	for j := range m.hosts {
		if j != i {
			answers[j] = m.answer(i, j)
		}
	}
	return decide(h.f, Self{Record: h.disk.record}, answers).why
}

// spare reports whether the others are enough for a quorum without a disk. One
// that has agreed counts as a member: others may have started already, or be
// about to.
func (m *model) spare(i int) bool {
	id, ok := m.hosts[i].belongs()
	if !ok {
		return true
	}
	need, whole := len(m.hosts)/2+1, 0
	if c := m.clusters[id]; c != nil {
		need = len(voters(c.members))/2 + 1
	}
	for j, x := range m.hosts {
		if other, ok := x.belongs(); j == i || !ok || other != id {
			continue
		}
		learner := false
		if x.disk.data != nil {
			e, member := byID(m.clusters[id].members, x.disk.data.member)
			learner = !member || e.IsLearner
		}
		if !learner {
			whole++
		}
	}
	return whole >= need
}

// belongs is the cluster that a disk is of, or may be of at any moment.
func (h *host) belongs() (ID, bool) {
	if d := h.disk.data; d != nil {
		return d.cluster, true
	}
	if r := h.disk.record; r.agreed(h.f) {
		return clusterID(firstMembers(h.f, token(h.f, r.Vector))), true
	}
	return 0, false
}
