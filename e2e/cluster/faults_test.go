package cluster_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab"
)

// holder is the controller that a node reaches at the virtual address: only its
// own name is in the certificate that it shows.
func (s *suite) holder(from string) (string, error) {
	conn, err := s.dialFrom(from, net.JoinHostPort(s.def.VIP.String(), strconv.Itoa(s.def.Def.API.Port)))
	if err != nil {
		return "", err
	}
	timer := time.AfterFunc(time.Minute, func() { _ = conn.Close() }) // which ends the handshake
	defer timer.Stop()
	defer func() { _ = conn.Close() }()
	cfg := s.as(s.t, nodes[0], kubeCA, "")
	cfg.ServerName = "kubernetes"
	client := tls.Client(conn, cfg)
	if err := client.Handshake(); err != nil {
		return "", err
	}
	names := client.ConnectionState().PeerCertificates[0].DNSNames
	for _, name := range nodes {
		if slices.Contains(names, name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("the certificate is for %q", names)
}

// moves waits until the virtual address leads to a controller.
func (s *suite) moves(t *testing.T, from, to string) {
	t.Helper()
	s.eventually(t, "the virtual address leads to "+to, func(context.Context) error {
		at, err := s.holder(from)
		if err == nil && at != to {
			err = fmt.Errorf("it leads to %s", at)
		}
		return err
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

// edgeIs waits until an edge has the floating address, and clients reach the
// Service there.
func (s *suite) edgeIs(t *testing.T, what string, is func(node string) bool) {
	t.Helper()
	s.eventually(t, what, func(ctx context.Context) error {
		at, err := s.kubectl(ctx, "--namespace=kube-system", "get", "lease", "ingot-edge", "--output=jsonpath={.spec.holderIdentity}")
		if err != nil {
			return err
		}
		if !is(at) {
			return fmt.Errorf("the floating address is at %q", at)
		}
		return s.web(ctx, floatingAddress)
	})
}

// floating: the hook moves the address where the edges agreed that it be.
func (s *suite) floating(t *testing.T) {
	const at = "lab0" // which is the one whose power is cut later
	s.edgeIs(t, "the floating address is somewhere", func(node string) bool { return node != "" })
	for _, other := range []string{"lab1", "lab2"} {
		s.run(t, other, "systemctl stop ingot-edge")
	}
	s.edgeIs(t, "the floating address moves to "+at, func(node string) bool { return node == at })
	for _, other := range []string{"lab1", "lab2"} {
		s.run(t, other, "systemctl start ingot-edge")
		if said := s.run(t, other, "ip -o address show to "+floatingAddress); said != "" {
			t.Errorf("%s has the floating address, too: %s", other, said)
		}
	}
}

// powerCutOfOne: the machine that holds the virtual address and the floating
// one, and whose kubelet runs a pod, is gone without a word. It comes back by
// itself. A controller has the virtual address itself, unless its API server is
// not ready; so one whose API server is stopped is the one to ask.
func (s *suite) powerCutOfOne(t *testing.T) {
	const asks, gone, next = "lab1", "lab0", "lab2"
	s.moves(t, asks, asks)
	s.run(t, asks, "systemctl stop kube-apiserver")
	s.moves(t, asks, gone)
	s.disconnect(gone)
	if err := s.lab.Kill(gone); err != nil {
		t.Fatal(err)
	}
	s.client.works(t)
	s.client.nothingLost(t)
	s.moves(t, asks, next)
	s.run(t, asks, "systemctl start kube-apiserver")
	s.edgeIs(t, "another has the floating address", func(node string) bool { return node != gone })
	s.notReady(t, gone)
	s.pods(t, asks, next)
	if err := s.lab.StartMachine(t.Context(), gone, lab.Options{}); err != nil {
		t.Fatal(err)
	}
	s.ready(t, gone)
	s.moves(t, gone, gone)
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

// etcdctl is the start of a command line on a controller.
const etcdctl = "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/server.crt --key=/etc/etcd/pki/server.key "

// members lists etcd's members, as one of them has it: the IDs of those that
// vote by their names, and how many others there are.
func (s *suite) members(from string) (voters map[string]string, others int, err error) {
	said, err := s.try(from, etcdctl+"member list")
	voters = map[string]string{}
	for line := range strings.Lines(said) {
		// ID, status, name, peer URLs, client URLs, whether it is a learner
		switch f := strings.Split(strings.TrimSpace(line), ", "); {
		case len(f) < 6:
		case f[1] == "started" && f[5] == "false":
			voters[f[2]] = f[0]
		default:
			others++
		}
	}
	return voters, others, err
}

// threeVoters is an error unless etcd has three members, all of which vote.
func (s *suite) threeVoters(from string) (map[string]string, error) {
	voters, others, err := s.members(from)
	if err == nil && (len(voters) != len(nodes) || others != 0) {
		err = fmt.Errorf("%d voters, %d others", len(voters), others)
	}
	return voters, err
}

// leaveAndJoin: a controller's member of etcd leaves when it is told to, and is
// another one when it joins again.
func (s *suite) leaveAndJoin(t *testing.T) {
	const asks, leaves = "lab0", "lab1"
	before := s.voters(t)
	s.run(t, leaves, "ingot-node etcd leave")
	// The two that stay may have to agree on a leader first.
	s.eventually(t, leaves+" is no member of etcd", func(context.Context) error {
		voters, others, err := s.members(asks)
		if _, stays := voters[leaves]; err == nil && (stays || len(voters) != len(nodes)-1 || others != 0) {
			err = fmt.Errorf("the voters are %v, and %d others", voters, others)
		}
		return err
	})
	s.client.works(t)
	s.run(t, leaves, "ingot-node etcd join")
	s.becomesAnother(t, asks, leaves, before)
	s.ready(t, nodes...)
	s.client.works(t)
	s.client.nothingLost(t)
}

// becomesAnother waits until etcd has three voting members, with the one of a
// node not that which it was before.
func (s *suite) becomesAnother(t *testing.T, asks, node string, before map[string]string) {
	t.Helper()
	s.eventually(t, node+" is another member of etcd", func(context.Context) error {
		now, err := s.threeVoters(asks)
		if err == nil && now[node] == before[node] {
			err = fmt.Errorf("it is the member that it was, %s", before[node])
		}
		return err
	})
}

// newDiskAndSpare: a machine's disk is thrown away, and a new one with the same
// identity takes its place; and a spare joins with nothing but its ISO.
func (s *suite) newDiskAndSpare(t *testing.T) {
	const asks, lost = "lab0", "lab2"
	before := s.voters(t)
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
	s.becomesAnother(t, asks, lost, before)
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
	if err := s.lab.Heal(alone); err != nil {
		t.Fatal(err)
	}
	s.ready(t, alone)
	s.client.works(t)
}

// wrongMachines: machines that have no right to be there, or are there twice,
// and the cluster does not mind.
func (s *suite) wrongMachines(t *testing.T) {
	failed, voters := s.client.failures(), s.voters(t)
	// After the certificates, which last a year, and no later: systemd sets a
	// clock back that is more than 15 years after systemd was made.
	later := time.Now().AddDate(2, 0, 0)
	machines := []struct {
		name, iso string
		options   lab.Options
		why       string // regexp of what it says
	}{
		{"stranger", s.stranger.File("lab0", "config.iso"), lab.Options{}, `refused: .*stranger`},
		{"expired", s.cluster.File("spare0", "config.iso"), lab.Options{Clock: later}, `refused: .*(expired|ended)`},
	}
	for _, m := range machines {
		m.options.ISO, m.options.FreshDisk = m.iso, true
		if err := s.lab.StartMachine(t.Context(), m.name, m.options); err != nil {
			t.Fatal(err)
		}
		s.eventually(t, m.name+" refused", func(context.Context) error {
			status := s.lab.Status()
			if is, _ := status.Machine(m.name); is.Boot != lab.BootRefused {
				return fmt.Errorf("it is at %q", is.Boot)
			}
			if !regexp.MustCompile(m.why).MatchString(s.lab.Machine(m.name).Console().Text()) {
				return fmt.Errorf("it does not say %q", m.why)
			}
			return nil
		})
		if err := s.lab.Kill(m.name); err != nil {
			t.Error(err)
		}
	}
	s.unharmed(t, voters)
	// One machine more takes its share of the processors, so that requests can
	// fail where these are few: it is said, and is no fault of the cluster.
	t.Logf("%d requests failed meanwhile", s.client.failures()-failed)
}

// voters are the members of etcd, by name, with their ids.
func (s *suite) voters(t *testing.T) map[string]string {
	t.Helper()
	var voters map[string]string
	s.eventually(t, "the members of etcd answer", func(context.Context) (err error) {
		voters, err = s.threeVoters("lab0")
		return err
	})
	return voters
}

// unharmed: the members of etcd are those that were, the nodes are Ready, and
// what the client was told is there.
func (s *suite) unharmed(t *testing.T, before map[string]string) {
	t.Helper()
	if now := s.voters(t); !maps.Equal(now, before) {
		t.Errorf("the members of etcd were %v and are %v", before, now)
	}
	s.ready(t, nodes...)
	s.client.works(t)
	s.client.nothingLost(t)
}

// clone: the ISO of a node that runs, in a second machine.
func (s *suite) clone(t *testing.T) {
	voters := s.voters(t)
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
	if now := s.voters(t); !maps.Equal(now, voters) {
		t.Errorf("with a clone the members of etcd are %v and were %v", now, voters)
	}
	if err := s.lab.Kill("clone"); err != nil {
		t.Fatal(err)
	}
	s.unharmed(t, voters)
}

// failures is how many requests have failed up to now.
func (c *client) failures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes.failed + c.web.failed
}
