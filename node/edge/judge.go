package edge

import (
	"time"

	"github.com/ingot-k8s/ingot/node/kubeapi"
)

// How often in a row a node must be found healthy, or not, before that counts:
// a kube-proxy that is started again is no reason to move an address.
const (
	toEnter = 2
	toLeave = 3
)

// verdict is what counts of the answers.
type verdict int

const (
	undecided verdict = iota
	good
	bad
)

// judge decides by the last answers how a node is. The zero value has had none.
type judge struct {
	verdict verdict
	last    bool
	times   int // the last answer in a row
}

func (j *judge) next(healthy bool) verdict {
	if healthy != j.last {
		j.last, j.times = healthy, 0
	}
	j.times++
	switch {
	case healthy && j.times >= toEnter:
		j.verdict = good
	case !healthy && j.times >= toLeave:
		j.verdict = bad
	}
	return j.verdict
}

// row is a row of looks at a record that did not change.
type row struct {
	record      record
	since, last time.Time
}

// record is what a holder changes when it renews its Lease.
type record struct {
	holder, renewed, acquired string
	transitions               int
}

// add takes one more look. The row begins anew where the record is another, or
// where nobody looked for too long: a holder that could not renew while the API
// was away, or while the machine of this one stood still, is given its time.
func (r *row) add(l *kubeapi.Lease, now time.Time) {
	seen := record{l.Holder, l.Renewed, l.Acquired, l.Transitions}
	if seen != r.record || r.since.IsZero() || now.Sub(r.last) > gap {
		r.record, r.since = seen, now
	}
	r.last = now
}

// free reports whether a Lease that was just looked at can be taken.
func (r *row) free(l *kubeapi.Lease) bool {
	if l.Holder == "" {
		return true
	}
	return r.last.Sub(r.since) >= max(l.Duration, Duration)
}
