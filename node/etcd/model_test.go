package etcd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// This model runs the real decide against simulated controllers, with every
// step of a round apart: looking at the disk, asking each of the others,
// deciding, writing, starting. Between any two, any controller may do its own
// steps, lose power, lose its disk, or be cut off from another.

// copyOf is the data of a member: of which cluster, as which member, and how
// much of the cluster's history it holds.
type copyOf struct {
	cluster ID
	member  ID
	entries int
}

// disk is what a power cut leaves.
type disk struct {
	record record
	data   *copyOf
	life   int // counts lost disks
}

// host is one controller.
type host struct {
	f       *Facts
	disk    disk
	on      bool
	etcd    bool  // runs
	booth   bool  // says at the peers' port what it is
	said    *Self // what it says there
	asking  *Self // a round has begun: what the node saw of itself
	answers []Answer
	next    int // whom it asks next
}

// modelCluster is a cluster of etcd as the model has it.
type modelCluster struct {
	members   []Member // as committed
	committed int
	born      int // for IDs of members
}

type model struct {
	decide   func(f *Facts, self Self, answers []Answer) action
	r        *rand.Rand
	hosts    []*host
	clusters map[ID]*modelCluster
	cut      map[[2]int]bool
	log      []string
	cautious bool // no more disks are lost at a time than a cluster can do without
}

func newModel(seed uint64, n int, cautious bool) *model {
	m := &model{decide: decide, r: rand.New(rand.NewPCG(seed, 4)), clusters: map[ID]*modelCluster{}, cut: map[[2]int]bool{}, cautious: cautious}
	var all []Controller
	for i := range n {
		all = append(all, Controller{Name: fmt.Sprintf("lab%d", i), PeerURL: fmt.Sprintf("https://10.42.0.%d:2380", i+1)})
	}
	for i := range n {
		m.hosts = append(m.hosts, &host{f: &Facts{Cluster: "lab", Definition: "d", Self: i, Controllers: all}, on: true})
	}
	return m
}

func (m *model) note(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

// broken is what a model panics with when something does not hold.
type broken string

func (m *model) fail(format string, args ...any) {
	panic(broken(fmt.Sprintf(format, args...) + "\nafter:\n  " + strings.Join(m.log, "\n  ")))
}

// holds runs a schedule and returns what did not hold, if anything.
func (m *model) holds(steps int) (what string) {
	defer func() {
		if b, ok := recover().(broken); ok {
			what = string(b)
		}
	}()
	m.run(steps)
	if m.cautious {
		m.together()
	}
	return ""
}

// alive are the members of a cluster that run and reach host i, or each other.
func (m *model) alive(id ID, from int) []int {
	var out []int
	c := m.clusters[id]
	for i, h := range m.hosts {
		if h.etcd && h.disk.data != nil && h.disk.data.cluster == id && (i == from || !m.cut[[2]int{from, i}]) {
			if e, ok := byID(c.members, h.disk.data.member); ok && !e.IsLearner {
				out = append(out, i)
			}
		}
	}
	return out
}

func (m *model) quorum(id ID, from int) bool {
	return len(m.alive(id, from)) >= len(voters(m.clusters[id].members))/2+1
}

// answer is what host i gets from host j.
func (m *model) answer(i, j int) Answer {
	h := m.hosts[j]
	if !h.on || m.cut[[2]int{i, j}] {
		return Answer{Err: "silent"}
	}
	switch {
	case h.etcd && h.disk.data != nil:
		id := h.disk.data.cluster
		return Answer{Runs: &Running{Cluster: id, Members: slices.Clone(m.clusters[id].members), Quorum: m.quorum(id, j)}}
	case h.booth:
		s := statement(h.f, *h.said)
		return Answer{Said: &s}
	}
	return Answer{Err: "silent"}
}

// step has a controller do its next step.
func (m *model) step(i int) {
	h := m.hosts[i]
	if !h.on || h.etcd {
		return
	}
	if h.asking == nil {
		if h.disk.record.Started && h.disk.data == nil {
			m.fail("a lost disk keeps its record")
		}
		if h.disk.data == nil && h.disk.record.Nonce == "" {
			h.disk.record = record{Nonce: newNonce()}
			return // written; power may go now
		}
		self := &Self{Record: h.disk.record}
		if h.disk.data != nil {
			self.Data = data{There: true, Cluster: h.disk.data.cluster, Member: h.disk.data.member}
		}
		h.asking, h.said, h.booth, h.next = self, self, self.Data == data{}, 0
		h.answers = make([]Answer, len(m.hosts))
		return
	}
	for h.next < len(m.hosts) && (h.asking.Data.There || h.next == i) {
		h.next++
	}
	if h.next < len(m.hosts) {
		h.answers[h.next] = m.answer(i, h.next)
		h.next++
		return
	}
	a := m.decide(h.f, *h.asking, h.answers)
	h.asking = nil
	switch a.verb {
	case comeBack:
		h.booth, h.etcd = false, true
	case agree:
		h.disk.record.Definition, h.disk.record.Vector, h.disk.record.Joining = h.f.Definition, a.vector, 0
		m.note("%s agreed", h.f.Me().Name)
	case startNew:
		m.startNew(i, a.vector)
	case join:
		m.join(i, h.answers[a.via].Runs.Cluster)
	}
}

// startNew is etcd's first start. It may find that there is nothing left of
// others' data of its cluster, or that of another cluster.
func (m *model) startNew(i int, vector []string) {
	h := m.hosts[i]
	ids := firstMembers(h.f, token(h.f, vector))
	id := clusterID(ids)
	for j, other := range m.hosts {
		if d := other.disk.data; d != nil && d.cluster != id {
			m.fail("%s starts a new cluster while %s has data of another", h.f.Me().Name, m.hosts[j].f.Me().Name)
		}
	}
	c := m.clusters[id]
	if c == nil {
		c = &modelCluster{}
		for j, member := range ids {
			c.members = append(c.members, Member{ID: member, Name: h.f.Controllers[j].Name, PeerURLs: []string{h.f.Controllers[j].PeerURL}})
		}
		m.clusters[id] = c
	}
	if e, ok := byID(c.members, ids[i]); ok && e.started() {
		m.fail("%s starts as member %s, which was started before, with empty hands", h.f.Me().Name, ids[i])
	}
	m.note("%s starts as a member of new cluster %s", h.f.Me().Name, id)
	h.disk.record.Started = true
	h.disk.data = &copyOf{cluster: id, member: ids[i]}
	h.booth, h.etcd = false, true
	for j := range c.members { // in the model, it is known at once
		if c.members[j].ID == ids[i] {
			c.members[j].ClientURLs = []string{"started"}
		}
	}
}

// join does all steps of joining that a quorum lets it do now.
func (m *model) join(i int, id ID) {
	h, c := m.hosts[i], m.clusters[id]
	if entries := own(c.members, h.f.Me()); len(entries) > 0 {
		e := entries[0]
		left := len(voters(c.members)) - weight(e)
		if !m.quorum(id, i) || len(m.alive(id, i)) < left/2+1 {
			return
		}
		c.members = slices.DeleteFunc(c.members, func(x Member) bool { return x.ID == e.ID })
		m.note("%s removed its dead member", h.f.Me().Name)
		return
	}
	if !m.quorum(id, i) {
		return
	}
	c.born++
	added := Member{ID: id + ID(c.born), Name: h.f.Me().Name, PeerURLs: []string{h.f.Me().PeerURL}, ClientURLs: []string{"started"}, IsLearner: true}
	c.members = append(c.members, added)
	m.note("%s joined %s", h.f.Me().Name, id)
	h.disk.record = record{Nonce: h.disk.record.Nonce, Joining: added.ID, Started: true}
	h.disk.data = &copyOf{cluster: id, member: added.ID}
	h.booth, h.etcd = false, true
}

// live has a cluster commit an entry, and bring learners up to date.
func (m *model) live(i int) {
	h := m.hosts[i]
	if !h.etcd || h.disk.data == nil {
		return
	}
	id := h.disk.data.cluster
	c := m.clusters[id]
	if !m.quorum(id, i) {
		return
	}
	here := m.alive(id, i)
	newest := 0
	for _, j := range here {
		newest = max(newest, m.hosts[j].disk.data.entries)
	}
	if newest < c.committed && !m.reckless() {
		m.fail("a quorum of %s has %d of %d entries", id, newest, c.committed)
	}
	c.committed = newest + 1
	// At least a quorum gets the entry; the rest perhaps.
	m.r.Shuffle(len(here), func(a, b int) { here[a], here[b] = here[b], here[a] })
	for n, j := range here {
		if n < len(voters(c.members))/2+1 || m.r.IntN(2) == 0 {
			m.hosts[j].disk.data.entries = c.committed
		}
	}
	for k, e := range c.members {
		for j, x := range m.hosts {
			if e.IsLearner && x.etcd && x.disk.data != nil && x.disk.data.member == e.ID && !m.cut[[2]int{i, j}] && m.r.IntN(2) == 0 {
				x.disk.data.entries = c.committed
				c.members[k].IsLearner = false
			}
		}
	}
}

func (m *model) reckless() bool { return !m.cautious }

// loseDisk takes a disk away: always with the power.
func (m *model) loseDisk(i int) {
	h := m.hosts[i]
	if m.cautious && !m.spare(i) {
		return
	}
	m.note("%s lost its disk", h.f.Me().Name)
	h.disk = disk{life: h.disk.life + 1}
	m.cutPower(i)
}

func (m *model) cutPower(i int) {
	h := m.hosts[i]
	h.on, h.etcd, h.booth, h.asking, h.said = false, false, false, nil, nil
}

// check looks at what must hold at any time.
func (m *model) check() {
	var seen []ID
	for _, h := range m.hosts {
		if h.disk.data != nil && !slices.Contains(seen, h.disk.data.cluster) {
			seen = append(seen, h.disk.data.cluster)
		}
	}
	if len(seen) > 1 {
		m.fail("data of %d clusters", len(seen))
	}
}

// run lets chance decide, and then lets all be well for a while.
func (m *model) run(steps int) {
	n := len(m.hosts)
	for range steps {
		i, j := m.r.IntN(n), m.r.IntN(n)
		switch p := m.r.IntN(1000); {
		case p < 800:
			m.step(i)
		case p < 900:
			m.live(i)
		case p < 940:
			m.hosts[i].on = true
		case p < 960:
			m.cutPower(i)
		case p < 975:
			m.cut[[2]int{i, j}] = true
			m.cut[[2]int{j, i}] = true
		case p < 990:
			clear(m.cut)
		default:
			m.loseDisk(i)
		}
		m.check()
	}
	clear(m.cut)
	for range 200 * n {
		i := m.r.IntN(n)
		m.hosts[i].on = true
		m.step(i)
		m.live(i)
		m.check()
	}
}
