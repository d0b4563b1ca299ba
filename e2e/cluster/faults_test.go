package cluster_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab"
)

// holder is the controller that a node reaches at the virtual address: its
// certificate says which.
func (s *suite) holder(t *testing.T, from string) (string, error) {
	t.Helper()
	said, err := s.try(from, "ingot-node health --json")
	if said == "" {
		return "", err
	}
	m := regexp.MustCompile(`"vip": "(here|away)"`).FindStringSubmatch(said)
	if m == nil {
		return "", fmt.Errorf("%s says nothing of the virtual address", from)
	}
	return m[1], nil
}

// virtualAddress waits until the API answers at the virtual address.
func (s *suite) virtualAddress(t *testing.T, from string) {
	t.Helper()
	_, admin := s.admin(t)
	address := net.JoinHostPort(s.def.VIP.String(), strconv.Itoa(s.def.Def.API.Port))
	s.eventually(t, "the virtual address from "+from, func(ctx context.Context) error {
		code, body, err := s.ask(ctx, from, address, "/readyz", admin)
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("%d, %q, %w", code, body, err)
		}
		return nil
	})
}

// notReady waits until the API has given a node up.
func (s *suite) notReady(t *testing.T, name string) {
	t.Helper()
	s.eventually(t, name+" given up", func(ctx context.Context) error {
		list, err := s.list(ctx, "nodes")
		if err != nil {
			return err
		}
		for _, n := range list {
			if n.Metadata.Name == name && n.ready() {
				return fmt.Errorf("it is Ready")
			}
		}
		return nil
	})
}

// powerCutOfOne: the machine that holds the virtual address, and whose kubelet
// runs a pod, is gone without a word. It comes back by itself.
func (s *suite) powerCutOfOne(t *testing.T) {
	const gone = "lab0"
	if at, err := s.holder(t, gone); err != nil || at != "here" {
		t.Errorf("the virtual address is %q at %s: %v", at, gone, err)
	}
	s.disconnect(gone)
	if err := s.lab.Kill(gone); err != nil {
		t.Fatal(err)
	}
	s.client.works(t)
	s.client.nothingLost(t)
	s.virtualAddress(t, "lab1")
	s.notReady(t, gone)
	s.pods(t, "lab1", "lab2")
	if err := s.lab.StartMachine(t.Context(), gone, lab.Options{}); err != nil {
		t.Fatal(err)
	}
	s.ready(t, gone)
	s.eventually(t, "the virtual address is back", func(context.Context) error {
		at, err := s.holder(t, gone)
		if err != nil || at != "here" {
			return fmt.Errorf("%s at %s: %w", at, gone, err)
		}
		return nil
	})
	s.client.works(t)
}

// powerCutOfAll: nothing is running any more. All of it comes back.
func (s *suite) powerCutOfAll(t *testing.T) {
	s.disconnect("")
	for _, name := range nodes {
		if err := s.lab.Kill(name); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for _, name := range nodes {
		if err := s.lab.StartMachine(t.Context(), name, lab.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	s.ready(t, nodes...)
	s.client.works(t)
	s.client.nothingLost(t)
	t.Logf("the cluster is back after %.0f s", time.Since(began).Seconds())
}

// members counts etcd's members.
func (s *suite) members(from string) (voters, learners int, err error) {
	said, err := s.try(from, "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/server.crt --key=/etc/etcd/pki/server.key member list")
	for line := range strings.Lines(said) {
		switch {
		case strings.Contains(line, ", started, ") && strings.HasSuffix(strings.TrimSpace(line), "false"):
			voters++
		case strings.Contains(line, ", "):
			learners++
		}
	}
	return voters, learners, err
}

// newDiskAndSpare: a machine's disk is thrown away, and a new one with the same
// identity takes its place; and a spare joins with nothing but its ISO.
func (s *suite) newDiskAndSpare(t *testing.T) {
	const lost = "lab2"
	s.disconnect(lost)
	if err := s.lab.Kill(lost); err != nil {
		t.Fatal(err)
	}
	if err := s.lab.StartMachine(t.Context(), lost, lab.Options{FreshDisk: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.lab.StartMachine(t.Context(), "spare0", lab.Options{}); err != nil {
		t.Fatal(err)
	}
	s.client.works(t)
	s.eventually(t, "three voters", func(context.Context) error {
		voters, learners, err := s.members("lab0")
		if err != nil || voters != 3 || learners != 0 {
			return fmt.Errorf("%d voters, %d others: %w", voters, learners, err)
		}
		return nil
	})
	s.ready(t, lost, "spare0")
	s.client.works(t)
	s.client.nothingLost(t)
}

// split: a node is cut off from all others. They go on; it cannot change
// anything. When the split heals it takes part again.
func (s *suite) split(t *testing.T) {
	const alone = "lab2"
	s.disconnect(alone)
	if err := s.lab.Cut(alone); err != nil {
		t.Fatal(err)
	}
	s.notReady(t, alone)
	s.client.works(t)
	s.client.nothingLost(t)
	s.eventually(t, alone+" says that it is alone", func(context.Context) error {
		status := s.lab.Status()
		m, _ := status.Machine(alone)
		if m.Health["mesh"] != "0/2" || m.Health["api"] == "ok" {
			return fmt.Errorf("it says %v", m.Health)
		}
		return nil
	})
	s.lab.Heal(alone)
	s.ready(t, alone)
	s.client.works(t)
}

// wrongMachines: machines that have no right to be there, or are there twice,
// and the cluster does not mind.
func (s *suite) wrongMachines(t *testing.T) {
	before := s.client.failures()
	refused := func(name, iso string, o lab.Options, why string) {
		o.ISO, o.FreshDisk = iso, true
		if err := s.lab.StartMachine(t.Context(), name, o); err != nil {
			t.Fatal(err)
		}
		s.eventually(t, name+" refused", func(context.Context) error {
			status := s.lab.Status()
			m, _ := status.Machine(name)
			if m.Boot != lab.BootRefused {
				return fmt.Errorf("it is at %q", m.Boot)
			}
			if !regexp.MustCompile(why).MatchString(s.lab.Machine(name).Console().Text()) {
				return fmt.Errorf("it does not say %q", why)
			}
			return nil
		})
		if err := s.lab.Kill(name); err != nil {
			t.Error(err)
		}
	}
	refused("stranger", s.stranger.File("lab0", "config.iso"), lab.Options{}, `refused: .*stranger`)
	refused("expired", s.cluster.File("spare0", "config.iso"), lab.Options{Clock: time.Now().AddDate(30, 0, 0)}, `refused: .*(expired|ended)`)
	if after := s.client.failures(); after != before {
		t.Errorf("%d requests failed meanwhile", after-before)
	}
	s.clone(t)
}

// clone: the ISO of a node that runs, in a second machine.
func (s *suite) clone(t *testing.T) {
	if err := s.lab.StartMachine(t.Context(), "clone", lab.Options{ISO: s.cluster.File("lab1", "config.iso"), FreshDisk: true}); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the clone runs", func(context.Context) error {
		status := s.lab.Status()
		if m, _ := status.Machine("clone"); m.Boot != lab.BootAccepted && m.Boot != lab.BootRefused {
			return fmt.Errorf("it is at %q", m.Boot)
		}
		return nil
	})
	time.Sleep(time.Minute) // in which it could do harm
	voters, learners, err := s.members("lab0")
	if err != nil || voters != 3 || learners != 0 {
		t.Errorf("with a clone: %d voters, %d others: %v", voters, learners, err)
	}
	if err := s.lab.Kill("clone"); err != nil {
		t.Fatal(err)
	}
	s.ready(t, nodes...)
	s.client.works(t)
	s.client.nothingLost(t)
}

// failures is how many requests have failed up to now.
func (c *client) failures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes.failed + c.web.failed
}
