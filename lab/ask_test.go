package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
)

// told is a lab whose machines are only said to run, and clients for API
// servers of this process.
func told(t *testing.T) (*Lab, []*client, []*controller) {
	t.Helper()
	text, controllers := world(t, 2)
	a, err := parseAdmin([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := cluster.Load(filepath.Join("..", "clusters", "lab", "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{cfg: Config{Cluster: c, Dir: t.TempDir(), Kubeconfig: "given", Log: t.Output(), Now: time.Now}, hosts: map[string]*host{}}
	if l.plan, err = NewPlan(c); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.relay = newRelay(listener, nil)
	t.Cleanup(l.relay.close)
	var clients []*client
	for i := range l.plan.Machines {
		m := &l.plan.Machines[i]
		l.hosts[m.Name] = &host{Planned: m, power: PowerNever}
		if err := os.MkdirAll(l.cfg.machineDir(m.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		if i < len(controllers) {
			clients = append(clients, a.client(m.Name, controllers[i].dial))
			t.Cleanup(clients[i].close)
		}
	}
	return l, clients, controllers
}

// turnOn has a machine on as it would be after a start.
func (l *Lab) turnOn(name, boot string) {
	h := l.hosts[name]
	h.power, h.ready, h.readyAt, h.earlier = PowerOn, "", time.Time{}, l.lastBoot(name)
	h.ear.heard = Heard{Boot: BootAccepted, Boots: 1, Detail: boot}
}

func nodeList(ready map[string]string) string {
	var items []string
	for name, state := range ready {
		status, boot, _ := strings.Cut(state, " ")
		items = append(items, fmt.Sprintf(`{"metadata": {"name": %q}, "status": {"nodeInfo": {"bootID": %q}, "conditions": [{"type": "Ready", "status": %q}]}}`, name, boot, status))
	}
	return `200 {"items": [` + strings.Join(items, ",") + `]}`
}

// TestAsk has API servers answer in turn, and a node that the API takes for
// Ready although its machine has just been started again.
func TestAsk(t *testing.T) {
	l, clients, controllers := told(t)
	for _, name := range []string{"lab0", "lab1", "lab2"} {
		l.turnOn(name, "")
	}
	ask := func() {
		for _, c := range clients {
			l.askOne(t.Context(), c)
		}
		l.list(t.Context(), clients)
	}
	ready := func(name string) string {
		s := l.Status()
		m, _ := s.Machine(name)
		return m.Ready
	}
	all := map[string]string{"lab0": "True b0", "lab1": "True b1", "lab2": "False b2"}
	controllers[0].answers["/readyz"] = "500 not yet"
	controllers[0].answers["/api/v1/nodes"] = "200 {}"
	controllers[1].answers["/api/v1/nodes"] = "403 {\"message\": \"nodes is forbidden\"}"
	ask()
	if s := l.Status(); s.Trouble != "listing the nodes: 403 Forbidden: nodes is forbidden" {
		t.Errorf("trouble %q", s.Trouble)
	}
	controllers[1].answers["/api/v1/nodes"] = nodeList(all)
	ask()
	if got := []string{ready("lab0"), ready("lab1"), ready("lab2")}; got[0] != "True" || got[1] != "True" || got[2] != "False" {
		t.Errorf("Ready is %q: want the answer of the API server that is ready", got)
	}
	if s := l.Status(); s.Trouble != "" || s.Machines[0].APIServer != "500 Internal Server Error" || s.Machines[1].APIServer != "ok" {
		t.Errorf("%+v", s)
	}

	l.turnOn("lab1", "again")
	if ask(); ready("lab1") != "" {
		t.Errorf("Ready is %q, from before the start", ready("lab1"))
	}
	all["lab1"] = "True b1-again"
	controllers[1].answers["/api/v1/nodes"] = nodeList(all)
	if ask(); ready("lab1") != "True" {
		t.Errorf("Ready is %q, after the kubelet has reported", ready("lab1"))
	}

	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := l.WaitHealthy(short)
	if err == nil || !strings.Contains(err.Error(), "lab0: kube-apiserver does not answer: 500 Internal Server Error") || !strings.Contains(err.Error(), "lab2: kube-apiserver") {
		t.Errorf("waiting: %v", err)
	}
	controllers[0].answers = controllers[1].answers
	all["lab2"] = "True b2"
	controllers[1].answers["/api/v1/nodes"] = nodeList(all)
	ask()
	l.hosts["lab2"].apiserver = answerOK
	if err := l.WaitHealthy(t.Context()); err != nil {
		t.Error(err)
	}
	l.hosts["lab0"].power = PowerDied
	if err := l.WaitHealthy(t.Context()); err == nil || !strings.Contains(err.Error(), "lab0: it has ended") {
		t.Errorf("waiting for what will not be: %v", err)
	}
}
