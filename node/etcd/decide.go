package etcd

import (
	"fmt"
	"slices"
	"strings"
)

// Self is what a node knows about itself.
type Self struct {
	Data   data
	Left   *left // nil where it has not left
	Record record
}

// Running is an etcd that runs at a controller.
type Running struct {
	Cluster ID
	Members []Member
	// Quorum says that Members is the list as it was committed after the
	// question, which only a quorum can say.
	Quorum bool
}

// Answer is what a controller answered in one round of questions.
type Answer struct {
	Said *Statement // it has not decided
	Runs *Running   // its etcd runs
	Err  string     // neither: why, where it is more than that nobody is there
}

// because names a cause that a person can do something about.
func (a Answer) because() string {
	if a.Err == "" {
		return ""
	}
	return " (" + a.Err + ")"
}

// What a node is to do.
type verb int

const (
	wait     verb = iota
	comeBack      // start etcd with the data that is there
	agree         // make the agreement on Vector last
	startNew      // start etcd as a member of the new cluster that was agreed on
	join          // become a member of the cluster that Cluster is
)

// action is what follows from a round.
type action struct {
	verb   verb
	why    string // for people
	vector []string
	via    int // for join: which controller has a quorum
}

// decide says what follows from what a node knows and what the others have
// answered. answers has one for each controller; the node's own is not looked
// at. All answers must have been given after self was looked at.
//
// Why it is safe is shown in docs/explanation/etcd.md.
func decide(f *Facts, self Self, answers []Answer) action {
	switch {
	case self.Left != nil && (self.Left.Done || !self.Data.There):
		return action{verb: wait, why: "this node has left the cluster; it joins again after: ingot-node etcd join"}
	case self.Data.There:
		return action{verb: comeBack, why: "it has data: it comes back as the member that it was"}
	}
	if a, ok := runs(f, self, answers); ok {
		return a
	}
	var empty, hold []string
	vector := make([]string, len(f.Controllers))
	agreed := true
	for i, c := range f.Controllers {
		s := answers[i].Said
		switch {
		case i == f.Self:
			vector[i] = self.Record.Nonce
			continue
		case s == nil:
			hold = append(hold, c.Name+" does not answer"+answers[i].because())
		case s.Cluster != f.Cluster || s.Definition != f.Definition:
			hold = append(hold, c.Name+" was given other controllers than this node: make images and identities again")
		case s.State == stateLeft:
			hold = append(hold, c.Name+" has left and keeps its data")
		case s.State != stateEmpty && s.State != stateAgreed || s.Nonce == "":
			hold = append(hold, c.Name+" says what this node does not understand")
		default:
			vector[i] = s.Nonce
			empty = append(empty, c.Name)
			agreed = agreed && s.State == stateAgreed
		}
	}
	if len(hold) > 0 {
		return action{verb: wait, why: holdUp(hold, empty)}
	}
	if !self.Record.agreed(f) || !slices.Equal(self.Record.Vector, vector) {
		return action{verb: agree, vector: vector, why: "no controller has data: all agree to start a new cluster"}
	}
	for i := range f.Controllers {
		if i != f.Self && (!agreed || !slices.Equal(answers[i].Said.Vector, vector)) {
			return action{verb: wait, why: "waiting until all controllers have agreed to start a new cluster"}
		}
	}
	return action{verb: startNew, vector: vector, why: "all controllers agreed to start a new cluster"}
}

// runs decides where another controller runs etcd.
func runs(f *Facts, self Self, answers []Answer) (action, bool) {
	var clusters []ID
	var running, silent []string
	via := -1
	for i, c := range f.Controllers {
		r := answers[i].Runs
		switch {
		case i == f.Self:
			continue
		case r == nil:
			silent = append(silent, c.Name)
			continue
		}
		running = append(running, c.Name)
		if !slices.Contains(clusters, r.Cluster) {
			clusters = append(clusters, r.Cluster)
		}
		if r.Quorum && via < 0 {
			via = i
		}
		// Its cluster is the one that this node agreed to start: so all have
		// agreed, and this node has never been started.
		if self.Record.agreed(f) && !self.Record.Started && self.Record.Joining == 0 && expected(f, self.Record.Vector, *r) {
			return action{verb: startNew, vector: self.Record.Vector, why: c.Name + " runs the new cluster that this node agreed to start"}, true
		}
	}
	switch {
	case len(running) == 0:
		return action{}, false
	case len(clusters) > 1:
		return action{verb: wait, why: fmt.Sprintf("%s run etcd of different clusters: one of them has data from elsewhere", and(running))}, true
	case via >= 0:
		return action{verb: join, via: via, why: "there is a cluster with a quorum: this node joins it"}, true
	case len(silent) == 0:
		return action{verb: wait, why: and(running) + verbOf(running, " runs", " run") + " etcd without a quorum; this node joins when there is one, and starts no other cluster"}, true
	}
	return action{verb: wait, why: fmt.Sprintf("%s etcd without a quorum, which takes %s, too, with the data that it had; this node joins when there is one, and starts no other cluster",
		and(running)+verbOf(running, " runs", " run"), or(silent))}, true
}

// expected reports whether a running etcd is of the cluster that was agreed
// on, and this node's first member has its place there and was never started.
func expected(f *Facts, vector []string, r Running) bool {
	ids := firstMembers(f, token(f, vector))
	if r.Cluster != clusterID(ids) {
		return false
	}
	m, ok := byID(r.Members, ids[f.Self])
	return ok && !m.started()
}

// holdUp says whom a first start waits for.
func holdUp(hold, empty []string) string {
	text := "waiting: " + strings.Join(hold, ", ")
	if len(empty) > 0 {
		text += "; " + and(empty) + verbOf(empty, " has", " have") + " no data either"
	}
	return text + ". A new cluster starts only when every controller has said that it has no data"
}

func verbOf(names []string, one, more string) string {
	if len(names) == 1 {
		return one
	}
	return more
}

func and(names []string) string { return listed(names, " and ") }
func or(names []string) string  { return listed(names, " or ") }

func listed(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + last + names[len(names)-1]
}
