package etcd

import (
	"context"
	"fmt"
	"strings"
)

// joining makes this node a member of a running cluster, one step in each
// round. It returns settings for etcd once all is prepared, else what it waits
// for. No step needs to know of the one before: it is looked at what is there.
func (k *Keeper) joining(ctx context.Context, t *trust, self *Self, via Controller, r Running) (*settings, string, error) {
	me := k.facts.Me()
	entries := own(r.Members, me)
	for _, e := range entries {
		if !exactly(e, me) {
			return nil, fmt.Sprintf("member %s (%s) at %s has the name or the address of this node, and not both; a person must decide: etcdctl member remove %s",
				e.ID, e.Name, strings.Join(e.PeerURLs, ","), e.ID), nil
		}
	}
	if len(entries) > 0 {
		e := entries[0]
		if e.ID == self.Record.Joining && !e.started() && e.IsLearner && !self.Record.Started {
			return k.joined(e.ID, r.Members), "", nil
		}
		why, err := k.bury(ctx, t, via, r, e)
		return nil, why, err
	}
	added, err := k.at(t, via.ClientURL).add(ctx, me.PeerURL)
	if err != nil {
		return nil, "cannot be added as a learner yet: " + short(err), nil
	}
	k.step("added to the cluster as learner %s", added.Member.ID)
	// Whatever is in the folder beside the record was never started.
	if err := k.cleanFolder(); err != nil {
		return nil, "", err
	}
	self.Record = record{Nonce: self.Record.Nonce, Joining: added.Member.ID}
	if err := self.Record.write(k.Root); err != nil {
		return nil, "", err
	}
	return k.joined(added.Member.ID, added.Members), "", nil
}

// cleanFolder moves away what an etcd left that had not got as far as to have
// a log.
func (k *Keeper) cleanFolder() error {
	more, err := leftovers(k.Root)
	if err != nil || !more {
		return err
	}
	path, err := moveAside(k.Root, k.Now())
	if err == nil {
		k.step("moved what was in the data folder to %s", path)
	}
	return err
}

// bury removes the dead member in whose place this node is, once it is sure
// that it is dead, and that the others have a quorum without it.
func (k *Keeper) bury(ctx context.Context, t *trust, via Controller, r Running, e Member) (string, error) {
	if k.pulse == nil || k.pulse.id != e.ID {
		k.pulse = &pulse{id: e.ID, first: k.Now(), bytes: map[string]float64{}}
		k.step("this node's data is gone; looking whether member %s lives elsewhere before it is replaced", e.ID)
	}
	others := k.look(ctx, t, r.Members, e.ID)
	alive := k.pulse.note(k.Now(), others, k.TwinAfter)
	var healthy, ill, mute []string
	for _, s := range others {
		switch {
		case s.member.IsLearner:
		case !s.healthy:
			ill = append(ill, s.member.label())
		case !s.told:
			mute = append(mute, s.member.label())
		default:
			healthy = append(healthy, s.member.label())
		}
	}
	gone := k.pulse.gone(k.Now(), k.AliveWindow, k.TwinQuiet)
	switch left := len(voters(r.Members)) - weight(e); {
	case alive && !k.pulse.twin:
		return "others are in touch with member " + e.ID.String() + " still: looking whether it lives on another machine", nil
	case alive || k.pulse.twin && !gone:
		return "refused: another machine with the identity of " + k.facts.Me().Name + " is in touch with the others as member " + e.ID.String() +
			": switch one of the two off. This one stays out meanwhile", nil
	case len(mute) > 0:
		return and(mute) + verbOf(mute, " does", " do") + " not say whether member " + e.ID.String() + " lives (metrics)", nil
	case len(healthy) < left/2+1:
		return fmt.Sprintf("replacing member %s takes %d of %d other members, and %s not well: waiting for %s",
			e.ID, left/2+1, left, verbOf(ill, "one is", "some are"), and(ill)), nil
	case !gone:
		return "looking whether member " + e.ID.String() + " lives elsewhere", nil
	}
	if err := k.at(t, via.ClientURL).remove(ctx, e.ID); err != nil {
		return "cannot remove the dead member " + e.ID.String() + " yet: " + short(err), nil
	}
	k.pulse = nil
	k.step("removed the dead member %s of this node", e.ID)
	return "", nil
}

// weight is what a member counts in votes.
func weight(m Member) int {
	if m.IsLearner {
		return 0
	}
	return 1
}

// joined are the settings with which a member that was added is started: all
// members, by any name that differs, and itself by its own.
func (k *Keeper) joined(id ID, members []Member) *settings {
	var parts []string
	for _, m := range members {
		name := m.Name
		switch {
		case m.ID == id:
			name = k.facts.Me().Name
		case name == "": // not started yet
			name = "unstarted-" + m.ID.String()
		}
		for _, u := range m.PeerURLs {
			parts = append(parts, name+"="+u)
		}
	}
	return &settings{State: "existing", Cluster: strings.Join(parts, ","), Token: k.facts.Cluster}
}
