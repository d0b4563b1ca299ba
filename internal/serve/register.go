package serve

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Node is a node that the server has an identity for.
type Node struct {
	Name    string
	MACs    []string // as ParseMAC gives them
	Serials []string // as ParseSerial gives them: serial numbers and UUIDs
	// Identity is the node's config ISO, with its keys.
	Identity []byte
}

// Outcome is what a machine has made of its identity.
type Outcome string

// The outcomes.
const (
	Installed Outcome = "install" // the image is on its disk, and so is the identity: the next start is from there
	Running   Outcome = "run"     // the identity is with its state: the next start is over the network, without one
)

// maxGrants is how many tokens of a node are remembered.
const maxGrants = 8

// register knows which machine is which node, and what was given to it. It is
// safe for concurrent use.
type register struct {
	mu      sync.Mutex
	entries []*entry
	next    []string // nodes that unknown machines become
}

// entry is a node and its machine.
type entry struct {
	Node
	machine Machine // that asked last
	grants  []grant // the last one is good
	given   int     // how often the identity was given
	done    Outcome // empty until the machine says so
}

// grant is a token for one start of a machine.
type grant struct {
	token, session secret
	used           bool // and the session is that of the user
}

func newRegister(nodes []Node, next []string) (*register, error) {
	r := &register{next: slices.Clone(next)}
	owner := map[string]string{}
	for _, n := range nodes {
		r.entries = append(r.entries, &entry{Node: n})
		for _, id := range slices.Concat(n.MACs, n.Serials) {
			if other, taken := owner[id]; taken {
				return nil, fmt.Errorf("node %q has %s, and so has node %q", n.Name, id, other)
			}
			owner[id] = n.Name
		}
	}
	for i, name := range next {
		if r.entry(name) == nil {
			return nil, fmt.Errorf("the next unknown machine is node %q, of which there is no identity", name)
		}
		if slices.Contains(next[:i], name) {
			return nil, fmt.Errorf("the next unknown machine is node %q twice", name)
		}
	}
	return r, nil
}

func (r *register) entry(name string) *entry {
	i := slices.IndexFunc(r.entries, func(e *entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return r.entries[i]
}

// errUnknown is a machine that is no node's.
var errUnknown = errors.New("no node has this machine")

// known finds the node of a machine, and whether it has just become this one
// as the next that is unknown.
func (r *register) known(m Machine) (e *entry, fresh bool, err error) {
	for _, candidate := range r.entries {
		if !candidate.has(m) {
			continue
		}
		if e != nil {
			return nil, false, fmt.Errorf("the machine is that of node %q and that of node %q", e.Name, candidate.Name)
		}
		e = candidate
	}
	if e == nil && len(r.next) > 0 {
		e, fresh = r.entry(r.next[0]), true
		r.next = r.next[1:]
		switch {
		case m.MAC != "":
			e.MACs = append(slices.Clone(e.MACs), m.MAC)
		case m.UUID != "":
			e.Serials = append(slices.Clone(e.Serials), m.UUID)
		default:
			e.Serials = append(slices.Clone(e.Serials), m.Serial)
		}
	}
	if e == nil {
		return nil, false, errUnknown
	}
	e.machine = m
	return e, fresh, nil
}

// has reports whether a node has a machine.
func (e *entry) has(m Machine) bool {
	return m.MAC != "" && slices.Contains(e.MACs, m.MAC) ||
		m.Serial != "" && slices.Contains(e.Serials, m.Serial) ||
		m.UUID != "" && slices.Contains(e.Serials, m.UUID)
}

// start is what a machine is told when it starts.
type start struct {
	node  string
	fresh bool    // it has just become the node's
	done  Outcome // it has its identity already
}

// start finds what a machine starts as.
func (r *register) start(m Machine) (start, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, fresh, err := r.known(m)
	if err != nil {
		return start{}, err
	}
	return start{node: e.Name, fresh: fresh, done: e.done}, nil
}

// offer makes a token for one start of a machine; the node's earlier ones end.
// There is none for a machine that keeps its identity already. Given is how
// often the identity was given before.
func (r *register) offer(m Machine) (node, token string, given int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, _, err := r.known(m)
	if err != nil {
		return "", "", 0, err
	}
	if e.done != "" {
		return e.Name, "", e.given, nil
	}
	token, kept := newToken()
	e.grants = append(e.grants, grant{token: kept})
	if len(e.grants) > maxGrants {
		e.grants = e.grants[1:]
	}
	return e.Name, token, e.given, nil
}
