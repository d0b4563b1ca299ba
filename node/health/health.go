// Package health finds out how a node is: each part of it by asking that part
// itself, all at once, each with a deadline. It spawns no processes and keeps
// its connections, so that it can be asked every few seconds.
package health

import (
	"context"
	"slices"
	"sync"
	"time"
)

// State is how one part of a node is.
type State string

// The states.
const (
	OK      State = "ok"
	Waiting State = "waiting" // not yet; comes by itself if what it waits for does
	Failed  State = "failed"
)

// Check is what was found out about one part.
type Check struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	Text  string `json:"text"`         // a sentence: why
	Do    string `json:"do,omitempty"` // what a person could do
	// Seconds is for how long the state is this one, as far as it is known.
	Seconds float64 `json:"seconds"`
	// WasOK says that it has been ok since the machine was started.
	WasOK bool `json:"wasOK"`
}

// Report is the whole answer.
type Report struct {
	Healthy bool     `json:"healthy"` // every check is ok
	Cluster string   `json:"cluster,omitempty"`
	Node    string   `json:"node,omitempty"`
	Roles   []string `json:"roles,omitempty"`
	// Line is the answer in a few words for programs, Words the same by key.
	Line  string            `json:"line"`
	Words map[string]string `json:"words"`

	Checks []Check `json:"checks"`

	Time   time.Time `json:"time"`
	Uptime float64   `json:"uptime"` // of the machine, in seconds
}

// finding is what a probe comes back with.
type finding struct {
	state State
	text  string
	do    string
	word  string // for Line, under the probe's name, or none
}

// probe finds out about one part.
type probe struct {
	name string
	run  func(ctx context.Context) finding
}

const (
	// patience is how long a part may take to answer. Machines without hardware
	// virtualisation take seconds for one handshake.
	patience = 15 * time.Second
	// starting is how long after the start of the machine what was never there
	// is said to be awaited, not failed.
	starting = 10 * time.Minute
)

// ask runs all probes at once and puts together what they say. before is the
// last report of this boot, or nil.
func ask(ctx context.Context, probes []probe, uptime time.Duration, before *Report) *Report {
	findings := make([]finding, len(probes))
	var wait sync.WaitGroup
	for i, p := range probes {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			findings[i] = p.run(ctx)
		})
	}
	wait.Wait()
	r := &Report{Healthy: true, Words: map[string]string{}, Uptime: uptime.Seconds()}
	for i, p := range probes {
		f := findings[i]
		c := Check{Name: p.name, State: f.state, Text: f.text, Do: f.do}
		c.remember(before, r.Uptime)
		r.Checks = append(r.Checks, c)
		r.Healthy = r.Healthy && c.State == OK
		if f.word != "" {
			r.Words[p.name] = f.word
		}
	}
	r.Line = line(r.Words)
	return r
}

// remember compares a check with the one before it.
func (c *Check) remember(before *Report, uptime float64) {
	var last *Check
	if before != nil && before.Uptime <= uptime {
		if i := slices.IndexFunc(before.Checks, func(b Check) bool { return b.Name == c.Name }); i >= 0 {
			last = &before.Checks[i]
		}
	}
	c.WasOK = c.State == OK || last != nil && last.WasOK
	if c.State == Failed && !c.WasOK && uptime < starting.Seconds() {
		c.State = Waiting
	}
	if c.State == OK {
		c.Do = ""
	}
	if last != nil && last.State == c.State {
		c.Seconds = last.Seconds + uptime - before.Uptime
	}
}

// words are the keys of the line, in its order.
var words = []string{"mesh", "etcd", "api", "node", "dns", "vip", "edge"}

// line is the answer on one line: key=value, in an order that stays.
func line(values map[string]string) string {
	text := ""
	for _, key := range words {
		if v, ok := values[key]; ok {
			if text != "" {
				text += " "
			}
			text += key + "=" + v
		}
	}
	return text
}

// Same reports whether two reports have the same states and words.
func (r *Report) Same(other *Report) bool {
	return r.Line == other.Line && slices.EqualFunc(r.Checks, other.Checks, func(a, b Check) bool {
		return a.Name == b.Name && a.State == b.State
	})
}
