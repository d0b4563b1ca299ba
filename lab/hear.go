package lab

import (
	"regexp"
	"strings"
)

// Boot is how far a machine has come, by what it said on its console.
type Boot string

// The stages, in order.
const (
	BootNone     Boot = ""         // it has said nothing yet
	BootKernel   Boot = "kernel"   // the kernel runs
	BootIdentity Boot = "identity" // the identity was put in place
	BootAccepted Boot = "accepted" // ingot-node has accepted it
	BootRefused  Boot = "refused"  // ingot-node has refused it
	BootStopped  Boot = "stopped"  // the boot has come to an end before
)

// Heard is what a machine has said about itself since its kernel started.
type Heard struct {
	Boot   Boot   `json:"boot,omitempty"`
	Boots  int    `json:"boots,omitempty"`    // how often its kernel has started since it was turned on
	Who    string `json:"identity,omitempty"` // the node that it is by its identity
	Detail string `json:"detail,omitempty"`   // why it was refused or has stopped
	// Health is what ingot-node said last of the parts of the node, by part,
	// such as etcd: member. What is not there is not known.
	Health map[string]string `json:"health,omitempty"`
}

// Parts of a node in the health line, and what it says of them (package
// node/health).
const (
	partMesh = "mesh" // peers that are reached, of all
	partEtcd = "etcd" // members that are healthy, of all; or learner
	partAPI  = "api"  // ok, down: what the node's balancer leads to
	partNode = "node" // Ready, NotReady, unknown
	partDNS  = "dns"
	partVIP  = "vip"

	nodeReady = "Ready"
)

// What machines say. The lines may have the time before them, or the name and
// the number of a process.
var (
	saysKernel   = regexp.MustCompile(`\bLinux version \d`)
	saysIdentity = regexp.MustCompile(`\bingot: the identity from .* was written`)
	saysWho      = regexp.MustCompile(`\bingot-node: this is (\S+) of cluster (\S+)`)
	saysRefused  = regexp.MustCompile(`\bingot-node: refused: (.*)`)
	saysHealth   = regexp.MustCompile(`\bingot-node: health: (.*)`)
	saysStopped  = regexp.MustCompile(`Kernel panic.*|\bingot: the boot stops here.*`)
)

// hear takes one more line.
func (h *Heard) hear(line string) {
	switch {
	case saysKernel.MatchString(line):
		*h = Heard{Boot: BootKernel, Boots: h.Boots + 1}
	case saysStopped.MatchString(line):
		h.Boot, h.Detail = BootStopped, saysStopped.FindString(line)
	case saysIdentity.MatchString(line):
		h.Boot = BootIdentity
	case saysWho.MatchString(line):
		h.Boot, h.Who, h.Detail = BootAccepted, saysWho.FindStringSubmatch(line)[1], ""
	case saysRefused.MatchString(line):
		why := saysRefused.FindStringSubmatch(line)[1]
		if h.Boot == BootRefused && h.Detail != why {
			why = h.Detail + "; " + why
		}
		h.Boot, h.Detail = BootRefused, why
	case saysHealth.MatchString(line):
		h.Health = healthOf(saysHealth.FindStringSubmatch(line)[1])
	}
}

// healthOf reads words of the form part=state, and passes over all others.
func healthOf(text string) map[string]string {
	out := map[string]string{}
	for _, word := range strings.Fields(text) {
		if part, state, ok := strings.Cut(word, "="); ok && part != "" && state != "" {
			out[part] = state
		}
	}
	return out
}

// ear follows what one machine says.
type ear struct {
	heard Heard
	next  int // where the next line begins in the console's text
}

// listen takes what was added to the text of a console.
func (e *ear) listen(text string) {
	for e.next < len(text) {
		length := strings.IndexByte(text[e.next:], '\n')
		if length < 0 {
			return
		}
		e.heard.hear(text[e.next : e.next+length])
		e.next += length + 1
	}
}
