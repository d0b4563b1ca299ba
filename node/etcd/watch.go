package etcd

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// watch looks after a member that was started. It returns nil when it must be
// decided anew: etcd is stopped then.
func (k *Keeper) watch(ctx context.Context) error {
	w := &watch{Keeper: k, since: k.Now()}
	for {
		pace, again, err := w.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if again {
			return nil
		}
		if err != nil {
			k.tell(Error, "etcd: "+err.Error())
		}
		if err := pause(ctx, pace); err != nil {
			return err
		}
	}
}

// watch is what is known of a started member.
type watch struct {
	*Keeper
	since   time.Time // of its start
	had     bool      // it has had data
	well    bool      // it was said that it is well
	removed int       // how often the others said that it is no member
}

// look looks once, and says when to look again.
func (w *watch) look(ctx context.Context) (pace time.Duration, again bool, err error) {
	d, err := readData(w.Root)
	if err != nil {
		return w.Interval, false, err
	}
	l, err := readLeft(w.Root)
	if err != nil {
		return w.Interval, false, err
	}
	if l != nil && l.Done {
		return 0, true, nil
	}
	if l != nil && l.Boot == readBoot(w.Root) {
		return w.Interval, false, nil // ingot-node etcd leave is at work
	}
	t, err := readTrust(w.Root)
	if err != nil {
		return w.Interval, false, err
	}
	if !d.There {
		again, err := w.starting(ctx, t)
		return w.Interval, again, err
	}
	if err := w.begun(); err != nil {
		return w.Interval, false, err
	}
	own, err := w.at(t, w.facts.Me().ClientURL).status(ctx)
	if err == nil && d.Member != 0 && own.Header.MemberID != d.Member {
		err = fmt.Errorf("what answers at %s is not this machine's etcd, but member %s: another machine has its address", w.facts.Me().ClientURL, own.Header.MemberID)
		w.tell(Error, "etcd: "+err.Error())
	}
	switch {
	case err == nil && own.IsLearner:
		w.promote(ctx, t, own.Header.MemberID)
		return w.Interval, false, nil
	case err == nil && own.Leader != 0 && w.at(t, w.facts.Me().ClientURL).quorum(ctx) == nil:
		w.fine(ctx, t, own)
		if l != nil { // begun in another boot, and not done
			w.step("leaving was not finished: this node is a member still")
			return w.Interval, false, removeLeft(w.Root)
		}
		return w.Idle, false, nil
	}
	w.well = false
	again, err = w.unwell(ctx, t, d, l)
	return 3 * w.Interval, again, err // the others have enough to do
}

// begun notes that etcd has data, and takes back the settings with which it
// could start without.
func (w *watch) begun() error {
	if w.had {
		return nil
	}
	r, err := readRecord(w.Root)
	if err != nil {
		return err
	}
	if r == nil {
		r = &record{}
	}
	if !r.Started {
		r.Started = true
		if err := r.write(w.Root); err != nil {
			return err
		}
		w.Crash("started")
	}
	if err := w.resting().write(w.Root); err != nil {
		return err
	}
	w.had = true
	return nil
}

// starting looks after an etcd that has no data yet.
func (w *watch) starting(ctx context.Context, t *trust) (again bool, err error) {
	r, err := readRecord(w.Root)
	if err != nil {
		return false, err
	}
	if w.had || r == nil || r.Started {
		w.Say(Error, "etcd: its data is gone while it runs")
		err := w.Stop(ctx)
		return err == nil, err
	}
	if w.Now().Sub(w.since) > w.Patience {
		w.Say(Warning, "etcd: it does not start; deciding anew: see journalctl -u etcd.service")
		err := w.Stop(ctx)
		return err == nil, err
	}
	if r.Joining == 0 {
		return false, nil
	}
	// Others may come and go meanwhile: etcd wants to know all of them.
	_, l := w.others(ctx, t)
	if l == nil {
		return false, nil
	}
	if _, ok := byID(l.Members, r.Joining); !ok {
		w.step("member %s was removed before it was started", r.Joining)
		if err := w.Stop(ctx); err != nil {
			return false, err
		}
		return true, nil
	}
	return false, w.joined(r.Joining, l.Members).write(w.Root)
}

// others finds another controller that is in touch with a quorum, and its
// member list.
func (w *watch) others(ctx context.Context, t *trust) (Controller, *membership) {
	for i, c := range w.facts.Controllers {
		if i == w.facts.Self {
			continue
		}
		if l, err := w.at(t, c.ClientURL).list(ctx); err == nil {
			return c, l
		}
	}
	return Controller{}, nil
}

// promote has a learner made a voting member, which the leader does once it is
// in sync.
func (w *watch) promote(ctx context.Context, t *trust, id ID) {
	var why []string
	for i, c := range w.facts.Controllers {
		if i == w.facts.Self {
			continue
		}
		err := w.at(t, c.ClientURL).promote(ctx, id)
		if err == nil {
			w.step("in sync: promoted to a voting member")
			return
		}
		if isRefusal(err) {
			why = append(why, short(err))
		}
	}
	if len(why) == 0 {
		why = []string{"no other controller answers"}
	}
	w.tell(Notice, "etcd: a learner still, waiting to be promoted: "+why[0])
}

// fine says once that all is well.
func (w *watch) fine(ctx context.Context, t *trust, own *MemberStatus) {
	w.removed = 0
	if w.well {
		return
	}
	text := "etcd: " + w.facts.Me().Name + " is a voting member"
	if l, err := w.at(t, w.facts.Me().ClientURL).list(ctx); err == nil {
		text += fmt.Sprintf(", one of %d", len(l.Members))
		if m, ok := byID(l.Members, own.Leader); ok {
			text += "; the leader is " + m.label()
		}
	}
	w.well = true
	w.news(Notice, text)
}

// unwell looks why a member is not in touch with a quorum: because there is
// none, or because it is no member any more.
func (w *watch) unwell(ctx context.Context, t *trust, d data, l *left) (again bool, err error) {
	via, list := w.others(ctx, t)
	switch {
	case list == nil:
		w.removed = 0
		w.tell(Notice, "etcd: waiting for a quorum: this node has its data, and "+w.missing(ctx, t))
		return false, nil
	case d.Cluster == 0:
		w.tell(Warning, "etcd: its log cannot be read: see journalctl -u etcd.service")
		return false, nil
	case list.Header.ClusterID != d.Cluster:
		w.tell(Error, fmt.Sprintf("etcd: refused: the data here is of cluster %s, and %s is a member of cluster %s; to give this data up: ingot-node etcd join",
			d.Cluster, via.Name, list.Header.ClusterID))
		return false, nil
	}
	if _, ok := byID(list.Members, d.Member); ok {
		w.removed = 0
		w.tell(Notice, "etcd: a member, and catching up with the others")
		return false, nil
	}
	if w.removed++; w.removed < 2 {
		return false, nil
	}
	w.step("member %s was removed from the cluster, says %s with a quorum", d.Member, via.Name)
	if err := w.Stop(ctx); err != nil {
		return false, err
	}
	path, err := moveAside(w.Root, w.Now())
	if err != nil {
		return false, err
	}
	w.step("moved the data of the removed member to %s", path)
	if l != nil {
		l.Done = true
		return true, writeJSON(w.Root, leftPath, l)
	}
	return true, nil
}

// missing names the controllers that do not answer.
func (w *watch) missing(ctx context.Context, t *trust) string {
	var names []string
	for i, c := range w.facts.Controllers {
		if i == w.facts.Self {
			continue
		}
		if _, err := w.at(t, c.ClientURL).status(ctx); err != nil {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return "the others have started"
	}
	return strings.Join(names, ", ") + verbOf(names, " does", " do") + " not answer"
}
