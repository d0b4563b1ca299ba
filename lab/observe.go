package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/lab/machine"
)

// listenEvery is how often the consoles' logs are looked at; it costs a read
// of what is new.
const listenEvery = time.Second

// listen follows the consoles.
func (l *Lab) listen(ctx context.Context) {
	every(ctx, listenEvery, l.listenOnce)
}

func (l *Lab) listenOnce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.plan.Machines {
		h := l.hosts[m.Name]
		if h.machine == nil || h.power != PowerOn {
			continue
		}
		before := h.ear.heard
		h.ear.listen(h.machine.Console().Text())
		now := h.ear.heard
		if now.Boots > before.Boots && before.Boots > 0 { // it has started again by itself
			h.earlier, h.ready, h.readyAt = h.bootID, "", time.Time{}
		}
		if now.Boot != before.Boot || now.Boots != before.Boots {
			l.say("%s: boot: %s %s", h.Name, now.Boot, now.Detail)
		}
	}
}

// Status tells how the lab is. It asks nobody: what is known, and what has
// been heard of consoles up to now.
func (l *Lab) Status() Status {
	l.listenOnce()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Status{
		Cluster: l.cfg.Cluster.Def.Name, Dir: l.cfg.Dir, PID: os.Getpid(), Accel: l.cfg.Accel, Slow: l.cfg.Slow, Image: l.cfg.Image,
		Began: l.began, At: l.cfg.Now(), Network: l.plan.Network.String(), API: l.relay.url(),
		Public: l.cfg.Cluster.Def.API.Public && l.cfg.Kubeconfig != "", Trouble: l.trouble, Notes: slices.Clone(l.plan.Notes),
	}
	if l.cfg.Kubeconfig != "" {
		s.Kubeconfig = l.Kubeconfig()
	}
	if !l.cfg.Cluster.Def.API.Public {
		s.Notes = append(s.Notes, "the API is closed outside the mesh, so the kubeconfig does not work from here; api: {public: true} in the definition opens it")
	}
	for _, m := range l.plan.Machines {
		s.Machines = append(s.Machines, l.machineStatus(l.hosts[m.Name]))
	}
	return s
}

// WaitHealthy waits until the cluster is healthy. It returns at once with an
// error where waiting will not mend what is missing.
func (l *Lab) WaitHealthy(ctx context.Context) error {
	for {
		s := l.Status()
		problems := s.Problems()
		if len(problems) == 0 {
			return nil
		}
		final := slices.ContainsFunc(problems, func(p Problem) bool { return p.Final })
		if final || ctx.Err() != nil {
			var what []string
			for _, p := range problems {
				what = append(what, p.String())
			}
			return fmt.Errorf("waiting for cluster %q to be healthy: %s", s.Cluster, strings.Join(what, "; "))
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenEvery):
		}
	}
}

// machineStatus is called with mu held.
func (l *Lab) machineStatus(h *host) MachineStatus {
	s := MachineStatus{
		Heard: h.ear.heard, Name: h.Name, Address: h.Address.String(), Power: h.power, Reason: h.reason, Since: h.since,
		Cut: h.cut, APIServer: h.apiserver, Ready: h.ready, ReadyAt: h.readyAt,
		Log: filepath.Join(l.cfg.machineDir(h.Name), machine.ConsoleLog),
	}
	if h.Node != nil {
		s.Roles, s.Spare = slices.Clone(h.Node.Spec.Roles), h.Node.Spare
	}
	if h.ssh.IsValid() {
		s.SSH = h.ssh.String()
	}
	s.Health = map[string]string{}
	for part, state := range h.ear.heard.Health {
		s.Health[part] = state
	}
	return s
}
