package serve

import (
	"net/http"
)

// denial is why somebody gets nothing. Its text is told to who has asked.
type denial struct {
	status int
	alarm  bool // somebody may have what is another's
	text   string
}

func (d *denial) Error() string { return d.text }

// What is told to who gets nothing.
var (
	errNoToken = &denial{status: http.StatusUnauthorized,
		text: "this token is none of this run of the server: start the machine again over the network"}
	errOldToken = &denial{status: http.StatusForbidden, alarm: true,
		text: "a machine with the same MAC address or serial number has started after this one, and this token ended with that"}
	errUsedToken = &denial{status: http.StatusForbidden, alarm: true,
		text: "this token was used by another program: who has that one may have this node's identity"}
	errIsDone = &denial{status: http.StatusForbidden, alarm: true,
		text: "this node's machine has said that it keeps its identity, which is given no second time by this run of the server"}
)

// find finds what a token is for.
func (r *register) find(token secret) (e *entry, g *grant, last bool) {
	for _, candidate := range r.entries {
		for i := range candidate.grants {
			// All are looked at, whichever it is.
			if candidate.grants[i].token.is(token) {
				e, g, last = candidate, &candidate.grants[i], i == len(candidate.grants)-1
			}
		}
	}
	return e, g, last
}

// claim gives the identity to who has the token. The first who uses a token
// binds it to its session, a number that only this program knows: it may ask
// again when a connection breaks, and nobody else may.
func (r *register) claim(token, session secret) (n Node, m Machine, given int, denied *denial) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, g, last := r.find(token)
	switch {
	case e == nil:
		return Node{}, Machine{}, 0, errNoToken
	case e.done != "":
		return e.Node, e.machine, e.given, errIsDone
	case !last:
		return e.Node, e.machine, e.given, errOldToken
	case g.used && !g.session.is(session):
		return e.Node, e.machine, e.given, errUsedToken
	}
	g.used, g.session = true, session
	e.given++
	return e.Node, e.machine, e.given, nil
}

// finish notes that a machine keeps its identity. Fresh is whether it was not
// known before.
func (r *register) finish(token, session secret, outcome Outcome) (n Node, m Machine, fresh bool, denied *denial) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, g, last := r.find(token)
	switch {
	case e == nil:
		return Node{}, Machine{}, false, errNoToken
	case !last:
		return e.Node, e.machine, false, errOldToken
	case !g.used || !g.session.is(session):
		return e.Node, e.machine, false, errUsedToken
	}
	fresh = e.done == ""
	e.done = outcome
	return e.Node, e.machine, fresh, nil
}

// NodeState is what a server knows of a node.
type NodeState struct {
	Node    string   `json:"node"`
	MACs    []string `json:"macs"`
	Serials []string `json:"serials"`
	Given   int      `json:"given"`             // how often its identity was given
	Outcome Outcome  `json:"outcome,omitempty"` // empty: the machine has not said that it keeps it
}

// states are all nodes, in the order that they were given.
func (r *register) states() []NodeState {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]NodeState, 0, len(r.entries))
	for _, e := range r.entries {
		out = append(out, NodeState{
			Node: e.Name, MACs: append([]string{}, e.MACs...), Serials: append([]string{}, e.Serials...),
			Given: e.given, Outcome: e.done,
		})
	}
	return out
}

// complete is whether every machine keeps its identity.
func (r *register) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e.done == "" {
			return false
		}
	}
	return true
}
