package lab

import (
	"fmt"
	"strings"
	"time"
)

// dash stands where nothing is known, or nothing is to be known.
const dash = "-"

// cells are what is shown of a machine: name, power, boot, mesh, etcd, API,
// Ready, time.
func (m *MachineStatus) cells(s *Status) []string {
	out := []string{m.Name, string(m.Power), dash, dash, dash, dash, dash, ""}
	if m.Cut {
		out[1] += ", cut"
	}
	if m.Power != PowerOn {
		return out
	}
	health := func(part string) string {
		if state := m.Health[part]; state != "" {
			return state
		}
		return dash
	}
	out[2], out[3], out[4] = orDash(string(m.Boot)), health(partMesh), health(partEtcd)
	out[5], out[6], out[7] = m.api(s.Public, health(partAPI)), orDash(m.Ready), m.took(s.At)
	if !s.Public {
		out[6] = health(partNode)
	}
	return out
}

// api is how the API server of a machine is, and whether it answers from here.
func (m *MachineStatus) api(public bool, said string) string {
	switch {
	case !public || !m.controller():
		return said
	case m.APIServer == answerOK:
		return answerOK
	case said != dash && said != answerOK:
		return said
	case m.APIServer == "":
		return dash
	}
	return "no answer"
}

// took is the time from power to Ready, or until now.
func (m *MachineStatus) took(now time.Time) string {
	if !m.ReadyAt.IsZero() {
		now = m.ReadyAt
	}
	return seconds(now.Sub(m.Since))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

func orDash(s string) string {
	if s == "" {
		return dash
	}
	return s
}

// Table shows the machines that are started or ought to be, one a line below a
// heading.
func (s *Status) Table() string {
	rows := [][]string{{"MACHINE", "POWER", "BOOT", "MESH", "ETCD", "API", "READY", "TIME"}}
	for i := range s.Machines {
		if m := &s.Machines[i]; m.expected() || m.Power != PowerNever {
			rows = append(rows, m.cells(s))
		}
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// Changes says in one line for each machine what is not as it was; before may
// be nil.
func (s *Status) Changes(before *Status) []string {
	var out []string
	for i := range s.Machines {
		now := &s.Machines[i]
		was := &MachineStatus{Power: PowerNever}
		if before != nil {
			if m, ok := before.Machine(now.Name); ok {
				was = m
			}
		}
		if changes := now.changes(s, was, before); len(changes) > 0 {
			out = append(out, fmt.Sprintf("%6s  %s: %s", seconds(s.At.Sub(s.Began)), now.Name, strings.Join(changes, ", ")))
		}
	}
	return out
}

func (m *MachineStatus) changes(s *Status, was *MachineStatus, before *Status) []string {
	if before == nil {
		before = &Status{}
	}
	names := []string{"", "power", "boot", "mesh", "etcd", "api", "ready"}
	now, old := m.cells(s), was.cells(before)
	var out []string
	for i, name := range names {
		if i > 0 && now[i] != old[i] && (now[i] != dash || m.Power == PowerOn) {
			out = append(out, name+" "+now[i])
		}
	}
	if m.Reason != "" && m.Reason != was.Reason {
		out = append(out, "("+m.Reason+")")
	}
	if m.Detail != "" && m.Detail != was.Detail {
		out = append(out, "("+m.Detail+")")
	}
	return out
}
