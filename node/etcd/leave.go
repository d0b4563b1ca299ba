package etcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func removeLeft(root string) error {
	err := os.Remove(filepath.Join(root, leftPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Leave removes this node's member from the cluster, moves its data aside, and
// has the node stay out until Join. It changes nothing where the rest would
// not have a quorum.
func (k *Keeper) Leave(ctx context.Context) error {
	if l, err := readLeft(k.Root); err != nil || l != nil && l.Done {
		return errors.Join(err, errors.New("this node has left already"))
	}
	t, err := readTrust(k.Root)
	if err != nil {
		return err
	}
	me := k.at(t, k.facts.Me().ClientURL)
	status, err := me.status(ctx)
	if err != nil {
		return fmt.Errorf("asking etcd of this node: %w", err)
	}
	id := status.Header.MemberID
	via, err := k.survivors(ctx, t, me, id)
	if err != nil {
		return err
	}
	if err := k.handOver(ctx, me, id, via); err != nil {
		return err
	}
	l := &left{Boot: readBoot(k.Root), Time: k.Now().UTC()}
	if err := writeJSON(k.Root, leftPath, l); err != nil {
		return err
	}
	k.Crash("leaving")
	if err := k.removeSelf(ctx, k.at(t, via.ClientURLs[0]), id); err != nil {
		return err
	}
	k.step("removed member %s of this node", id)
	if err := k.Stop(ctx); err != nil {
		return err
	}
	path, err := moveAside(k.Root, k.Now())
	if err != nil {
		return err
	}
	l.Done = true
	if err := writeJSON(k.Root, leftPath, l); err != nil {
		return err
	}
	k.step("left the cluster; its data is in %s. It joins again after: ingot-node etcd join", path)
	return nil
}

// removeSelf removes this node's member. Members refuse that for some seconds
// after they got in touch with one another (etcd, server/etcdserver/server.go,
// HealthInterval).
func (k *Keeper) removeSelf(ctx context.Context, via member, id ID) error {
	for end := k.Now().Add(leavePatience); ; {
		err := via.remove(ctx, id)
		switch {
		case err == nil:
			return nil
		case !isRefusal(err): // nobody knows whether it was removed
			return fmt.Errorf("removing member %s: %w; the next boot finds out whether it was", id, err)
		case k.Now().After(end):
			return errors.Join(fmt.Errorf("removing member %s: %w", id, err), removeLeft(k.Root))
		}
		k.tell(Notice, "etcd: the others do not let this node go yet: "+short(err))
		if err := pause(ctx, k.Interval); err != nil {
			return errors.Join(err, removeLeft(k.Root))
		}
	}
}

// leavePatience is for how long leaving is tried again.
const leavePatience = time.Minute

// survivors checks that the cluster can do without a member, and returns a
// voting member that stays and is well.
func (k *Keeper) survivors(ctx context.Context, t *trust, me member, id ID) (Member, error) {
	l, err := me.list(ctx)
	if err != nil {
		return Member{}, fmt.Errorf("asking for a quorum: %w", err)
	}
	self, ok := byID(l.Members, id)
	if !ok || !exactly(self, k.facts.Me()) {
		return Member{}, fmt.Errorf("member %s is not this node's: %q at %v", id, self.Name, self.PeerURLs)
	}
	stay := slices.DeleteFunc(voters(l.Members), func(m Member) bool { return m.ID == id })
	if len(stay) == 0 {
		return Member{}, errors.New("this is the last voting member: without it the cluster's data would be gone")
	}
	var well []Member
	var ill []string
	for _, s := range k.look(ctx, t, stay, id) {
		if s.healthy {
			well = append(well, s.member)
		} else {
			ill = append(ill, s.member.label())
		}
	}
	for _, m := range stay {
		if !m.started() {
			ill = append(ill, m.label())
		}
	}
	if need := len(stay)/2 + 1; len(well) < need || len(well) == 0 {
		return Member{}, fmt.Errorf("the others would have no quorum: %d of %d must be well, and %s %s not", need, len(stay), and(ill), verbOf(ill, "is", "are"))
	}
	return well[0], nil
}

// handOver has another member lead, so that nobody has to wait for an
// election.
func (k *Keeper) handOver(ctx context.Context, me member, id ID, to Member) error {
	for {
		status, err := me.status(ctx)
		if err != nil {
			return fmt.Errorf("asking etcd of this node: %w", err)
		}
		if status.Leader != id {
			return nil
		}
		if err := me.moveLeader(ctx, to.ID); err == nil {
			k.step("%s leads now", to.label())
			continue
		}
		k.tell(Notice, "etcd: waiting for "+to.label()+" to lead")
		if err := pause(ctx, k.Interval); err != nil {
			return err
		}
	}
}

// Join lets a node that has left join again, and has one give up data of
// another cluster than that of the other controllers. What it does then is
// decided as ever. It reports whether there was anything to do.
func (k *Keeper) Join(ctx context.Context) (bool, error) {
	l, err := readLeft(k.Root)
	if err != nil {
		return false, err
	}
	if l != nil {
		return true, removeLeft(k.Root)
	}
	d, err := readData(k.Root)
	if err != nil || !d.There || d.Cluster == 0 {
		return false, err
	}
	t, err := readTrust(k.Root)
	if err != nil {
		return false, err
	}
	w := &watch{Keeper: k}
	via, list := w.others(ctx, t)
	if list == nil || list.Header.ClusterID == d.Cluster {
		return false, nil
	}
	if err := k.Stop(ctx); err != nil {
		return false, err
	}
	path, err := moveAside(k.Root, k.Now())
	if err == nil {
		k.step("moved the data of cluster %s to %s, to join that of %s", d.Cluster, path, via.Name)
	}
	return err == nil, err
}
