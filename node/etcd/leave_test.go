package etcd

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestLeaveAndJoin: the leader leaves, stays out over a reboot, and joins
// again when it is told to.
func TestLeaveAndJoin(t *testing.T) {
	w := start(t, 3)
	w.put(w.machines[0], "greeting", "hello")
	leader := leaderOf(w)
	if err := leader.keeper().Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rest []*machine
	for _, m := range w.machines {
		if m != leader {
			rest = append(rest, m)
		}
	}
	w.well(rest...)
	w.holds("greeting", "hello", rest...)
	w.hears(leader, "leads now")
	w.hears(leader, "left the cluster; its data is in /var/lib/etcd/aside-")
	w.hears(leader, "this node has left the cluster; it joins again after: ingot-node etcd join")
	leader.off()
	leader.forget()
	leader.on()
	w.hears(leader, "this node has left the cluster")
	w.stays("after a boot", time.Second, func() error { return untouched(leader) })
	if err := leader.keeper().Leave(t.Context()); err == nil || !strings.Contains(err.Error(), "left already") {
		t.Errorf("leaving again: %v", err)
	}
	report, err := leader.keeper().Report(t.Context())
	if err != nil || !report.Left || report.Role != "none" || len(report.Members) != 2 || report.Good() {
		t.Errorf("report: %+v, %v", report, err)
	}
	if did, err := leader.keeper().Join(t.Context()); !did || err != nil {
		t.Fatalf("joining: %v, %v", did, err)
	}
	w.well(w.machines...)
	w.holds("greeting", "hello", w.machines...)
	if did, err := leader.keeper().Join(t.Context()); did || err != nil {
		t.Errorf("joining again: %v, %v", did, err)
	}
}

// leaderOf finds the machine whose member leads.
func leaderOf(w *world) *machine {
	var leader *machine
	w.eventually("a leader", func() error {
		for _, m := range w.machines {
			s, err := m.client().status(w.t.Context())
			if err != nil {
				return err
			}
			if s.Leader == s.Header.MemberID {
				leader = m
			}
		}
		if leader == nil {
			return errors.New("none")
		}
		return nil
	})
	return leader
}

// TestLeaveRefused: nobody leaves who is needed.
func TestLeaveRefused(t *testing.T) {
	w := start(t, 3)
	a, b, c := w.machines[0], w.machines[1], w.machines[2]
	c.off()
	w.eventually("leaving is refused", func() error {
		err := a.keeper().Leave(t.Context())
		if err == nil {
			t.Fatal("it left, and the other one has no quorum")
		}
		if !strings.Contains(err.Error(), "the others would have no quorum: 2 of 2 must be well, and lab2 is not") {
			return err // there may be no leader for a moment
		}
		return nil
	})
	w.put(b, "greeting", "hello")
	c.on()
	w.well(w.machines...)
}

// TestCrashAtLeave: it loses power in the midst of leaving. Before its member
// is removed it is a member still, after that it has left.
func TestCrashAtLeave(t *testing.T) {
	for step, gone := range map[string]bool{"leaving": false, "removed member": true, "left the cluster": true} {
		t.Run(step, func(t *testing.T) {
			w := start(t, 3)
			b := w.machines[1]
			w.put(b, "greeting", "hello")
			reached := b.crashAt(step)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = b.keeper().Leave(t.Context()) // it does not get to an end
			}()
			reach(t, step, reached)
			<-done
			b.off()
			b.edit = nil
			b.forget()
			b.on()
			if gone {
				w.hears(b, "this node has left the cluster")
				w.well(w.machines[0], w.machines[2])
				return
			}
			w.hears(b, "leaving was not finished")
			w.well(w.machines...)
			if _, err := b.keeper().Join(t.Context()); err != nil {
				t.Error(err)
			}
			w.well(w.machines...)
		})
	}
}

// TestReport: what status says of a member.
func TestReport(t *testing.T) {
	w := start(t, 3)
	for _, m := range w.machines {
		w.hears(m, "is a voting member, one of 3")
	}
	w.put(w.machines[0], "greeting", "hello")
	leaders := 0
	for _, m := range w.machines {
		r, err := m.keeper().Report(t.Context())
		must(t, err)
		if !r.Good() || r.Decision == nil || r.Decision.What != "new cluster" || len(r.Members) != 3 || r.Node != m.name {
			t.Errorf("%s: %+v", m.name, r)
		}
		if r.Role == "leader" {
			leaders++
		}
		text, err := r.Text(false)
		if err != nil || !strings.Contains(text, m.name+" is a "+r.Role+" of etcd, member "+r.Member) || strings.Count(text, " MiB, etcd 3.") != 3 {
			t.Errorf("text: %v\n%s", err, text)
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders", leaders)
	}
	w.machines[2].off()
	w.machines[1].off()
	r, err := w.machines[0].keeper().Report(t.Context())
	if err != nil || r.Good() || r.Quorum || !strings.Contains(r.Problem, "no other controller") {
		t.Errorf("without a quorum: %+v, %v", r, err)
	}
}
