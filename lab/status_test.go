package lab_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/lab"
)

// stage is one moment of a lab.
type stage struct {
	name   string
	change func(*lab.Status)
}

func allRoles() []cluster.Role {
	return []cluster.Role{cluster.Controller, cluster.Worker, cluster.Edge}
}

var began = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }

// each changes all machines that run.
func each(change func(*lab.MachineStatus)) func(*lab.Status) {
	return func(s *lab.Status) {
		for i := range s.Machines {
			if s.Machines[i].Power == lab.PowerOn {
				change(&s.Machines[i])
			}
		}
	}
}

// stages is a lab that comes up, with what can go wrong.
func stages() []stage {
	return []stage{
		{"off", func(s *lab.Status) { s.At = at(1) }},
		{"on", func(s *lab.Status) {
			for i := range 3 {
				s.Machines[i].Power, s.Machines[i].Since = lab.PowerOn, at(2)
			}
			s.At = at(3)
		}},
		{"kernel", each(func(m *lab.MachineStatus) { m.Boot, m.Boots = lab.BootKernel, 1 })},
		{"accepted", each(func(m *lab.MachineStatus) { m.Boot, m.Who = lab.BootAccepted, m.Name })},
		{"parts", func(s *lab.Status) {
			s.At, s.Trouble = at(60), `listing the nodes: 403 Forbidden: nodes is forbidden`
			each(func(m *lab.MachineStatus) {
				m.Health = map[string]string{"mesh": "2/2", "etcd": "2/3", "api": "down", "node": "unknown", "vip": "away"}
				m.APIServer = "connection refused"
			})(s)
			s.Machines[2].Health = nil
			s.Machines[0].APIServer = "ok"
		}},
		{"ready", func(s *lab.Status) {
			s.At, s.Trouble = at(183), ""
			each(func(m *lab.MachineStatus) {
				m.Health = map[string]string{"mesh": "2/2", "etcd": "3/3", "api": "ok", "node": "Ready", "vip": "away"}
				m.APIServer, m.Ready, m.ReadyAt = "ok", "True", at(181)
			})(s)
		}},
		{"cut off", func(s *lab.Status) { s.Machines[1].Cut, s.Machines[1].Ready = true, "Unknown" }},
		{"died", func(s *lab.Status) {
			s.Machines[1] = lab.MachineStatus{Name: "lab1", Roles: allRoles(), Power: lab.PowerDied, Since: at(190), Reason: "QEMU ended: guest-panic"}
		}},
		{"refused", func(s *lab.Status) {
			s.Machines[1] = lab.MachineStatus{Name: "lab1", Roles: allRoles(), Power: lab.PowerOn, Since: at(200)}
			s.Machines[1].Boot, s.Machines[1].Detail = lab.BootRefused, "the certificate has ended"
			s.At = at(260)
		}},
		{"spare", func(s *lab.Status) { s.Machines[3].Power, s.Machines[3].Since = lab.PowerOn, at(250) }},
	}
}

// TestStatus compares what is shown and what is missing, at each stage, with
// what was accepted; for a cluster whose API is open and for one where it is
// closed.
func TestStatus(t *testing.T) {
	for _, public := range []bool{true, false} {
		s := &lab.Status{Cluster: "lab", Began: began, Public: public}
		for i := range 4 {
			m := lab.MachineStatus{Name: fmt.Sprintf("lab%d", i), Roles: allRoles(), Power: lab.PowerNever}
			if i == 3 {
				m.Name, m.Roles, m.Spare = "spare0", []cluster.Role{cluster.Worker}, true
			}
			s.Machines = append(s.Machines, m)
		}
		s.Machines = append(s.Machines, lab.MachineStatus{Name: "stranger", Power: lab.PowerNever})
		var out bytes.Buffer
		var last *lab.Status
		for _, stage := range stages() {
			now := *s
			now.Machines = append([]lab.MachineStatus(nil), s.Machines...)
			stage.change(&now)
			fmt.Fprintf(&out, "== %s: healthy %v\n%s", stage.name, now.Healthy(), now.Table())
			for _, line := range now.Changes(last) {
				fmt.Fprintf(&out, "changed: %s\n", line)
			}
			for _, p := range now.Problems() {
				fmt.Fprintf(&out, "missing: %s (final %v)\n", p, p.Final)
			}
			if again := now.Changes(&now); len(again) > 0 {
				t.Errorf("%s: from itself it differs in %q", stage.name, again)
			}
			last, s = &now, &now
		}
		golden.Check(t, filepath.Join("testdata", fmt.Sprintf("status-%v.txt", map[bool]string{true: "open", false: "closed"}[public])), out.Bytes())
	}
}
