package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// Power says whether a machine runs.
type Power string

// The states of a machine's power.
const (
	PowerNever Power = "never" // it was not started since the lab is up
	PowerOn    Power = "on"
	PowerOff   Power = "off"  // somebody turned it off, or it has shut down as it was asked to
	PowerDied  Power = "died" // it ended though nobody wanted it to
)

// Status is a lab at one time. It is what the background process tells.
type Status struct {
	Cluster    string          `json:"cluster"`
	Dir        string          `json:"dir"`
	PID        int             `json:"pid"` // of the process that the machines belong to
	Accel      machine.Accel   `json:"accel"`
	Slow       int             `json:"slow"` // how many seconds of this host a second of the machines takes
	Image      string          `json:"image"`
	Began      time.Time       `json:"began"`
	At         time.Time       `json:"at"`
	Network    string          `json:"network"`
	API        string          `json:"api"` // URL of the relay to the controllers
	Public     bool            `json:"apiPublic"`
	Kubeconfig string          `json:"kubeconfig,omitempty"`
	Trouble    string          `json:"trouble,omitempty"` // why the nodes cannot be listed
	Notes      []string        `json:"notes,omitempty"`
	Machines   []MachineStatus `json:"machines"`
}

// MachineStatus is one machine of a lab.
type MachineStatus struct {
	Heard
	Name    string         `json:"name"`
	Roles   []cluster.Role `json:"roles,omitempty"`
	Spare   bool           `json:"spare,omitempty"`
	Address string         `json:"address"`
	Power   Power          `json:"power"`
	Reason  string         `json:"reason,omitempty"` // why it is off
	Since   time.Time      `json:"since,omitzero"`   // the power is as it is
	Cut     bool           `json:"cut,omitempty"`    // it is cut off from the network
	SSH     string         `json:"ssh,omitempty"`    // host and port that lead to its SSH server
	Log     string         `json:"log"`              // what its console says
	// APIServer is what its kube-apiserver answers: "ok", or why there is no
	// such answer; empty where there is none to ask.
	APIServer string `json:"apiserver,omitempty"`
	// Ready is the node's condition as the API has it: True, False, Unknown;
	// empty where the API does not have the node, or was not heard yet.
	Ready   string    `json:"ready,omitempty"`
	ReadyAt time.Time `json:"readyAt,omitzero"` // when it was first seen to be, in this start
}

// Machine finds a machine by name.
func (s *Status) Machine(name string) (*MachineStatus, bool) {
	for i := range s.Machines {
		if s.Machines[i].Name == name {
			return &s.Machines[i], true
		}
	}
	return nil, false
}

// expected reports whether a machine counts for the cluster's health: all
// nodes of the definition do, and spares while they run.
func (m *MachineStatus) expected() bool { return len(m.Roles) > 0 && (!m.Spare || m.Power == PowerOn) }

func (m *MachineStatus) controller() bool {
	return slices.Contains(m.Roles, cluster.Controller) && !m.Spare
}

// Problem is what a machine, or the lab, still lacks.
type Problem struct {
	Machine string `json:"machine,omitempty"`
	What    string `json:"what"`
	Final   bool   `json:"final,omitempty"` // waiting will not mend it
}

// String is a line for people.
func (p Problem) String() string {
	if p.Machine == "" {
		return p.What
	}
	return p.Machine + ": " + p.What
}

// Problems lists what is missing until the cluster is healthy: every node
// Ready, and the API answering at every controller.
func (s *Status) Problems() []Problem {
	var out []Problem
	for i := range s.Machines {
		if m := &s.Machines[i]; m.expected() {
			if what, final := m.problem(s.Public); what != "" {
				out = append(out, Problem{Machine: m.Name, What: what, Final: final})
			}
		}
	}
	if len(out) > 0 && s.Trouble != "" {
		out = append(out, Problem{What: s.Trouble})
	}
	return out
}

// problem is the first thing that a machine lacks.
func (m *MachineStatus) problem(public bool) (what string, final bool) {
	switch {
	case m.Power == PowerNever:
		return "it was not started", true
	case m.Power == PowerDied:
		return "it has ended: " + m.Reason, true
	case m.Power == PowerOff:
		return "it is off: " + m.Reason, true
	case m.Boot == BootRefused:
		return "its identity is refused: " + m.Detail, true
	case m.Boot == BootStopped:
		return "it does not boot: " + m.Detail, true
	case m.Boot == BootNone:
		return "its kernel has not started yet", false
	case m.Boot != BootAccepted:
		return "it has not said who it is yet", false
	}
	if !public {
		return m.closedProblem(), false
	}
	if m.controller() && m.APIServer != answerOK {
		return "kube-apiserver does not answer: " + orUnknown(m.APIServer) + m.parts(), false
	}
	if m.Ready != conditionTrue {
		return "the node is not Ready: " + orUnknown(m.Ready) + m.parts(), false
	}
	return "", false
}

// closedProblem is for clusters whose API is closed outside the mesh: what the
// machine says has to do.
func (m *MachineStatus) closedProblem() string {
	switch {
	case m.Health[partAPI] != answerOK:
		return "the API does not answer there: " + orUnknown(m.Health[partAPI]) + m.parts()
	case m.Health[partNode] != nodeReady:
		return "the node is not Ready: " + orUnknown(m.Health[partNode]) + m.parts()
	}
	return ""
}

// parts is what the machine says of its parts, for the end of a sentence.
func (m *MachineStatus) parts() string {
	var parts []string
	for _, part := range []string{partMesh, partEtcd, partAPI, partNode, partDNS, partVIP} {
		if state := m.Health[part]; state != "" {
			parts = append(parts, part+"="+state)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", strings.Join(parts, " "))
}

func orUnknown(s string) string {
	if s == "" {
		return "nothing is known yet"
	}
	return s
}

// Healthy reports whether nothing is missing.
func (s *Status) Healthy() bool { return len(s.Problems()) == 0 }
