package boot_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/internal/cli"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/internal/serve"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// What machines say that were started over the network.
var (
	saysFetching  = regexp.MustCompile(`ingot: fetching the medium from http://10\.0\.2\.9:8470/boot\.iso`)
	saysIdentity  = regexp.MustCompile(`ingot: the identity is here`)
	macRun        = "52:54:00:00:0e:01"
	macInstall    = "52:54:00:00:0e:02"
	networkServer = "10.0.2.9:8470" // as the machines see it
)

// TestNetwork starts machines by iPXE, which QEMU's network cards have, from
// "ingot serve".
func TestNetwork(t *testing.T) {
	qemu.NetworkROM(t)
	w := newWorld(t)
	w.bootISO = w.newBootISO(t)
	w.bootISO.Ingot(t, "boot-iso", "lab")
	w.each(t, map[string]func(*testing.T, *world){
		"Run":     runFromNetwork,
		"Install": installFromNetwork,
	})
}

// server is "ingot serve", as a person runs it.
type server struct {
	t      *testing.T
	at     string
	mu     sync.Mutex
	events []serve.Event
	said   bytes.Buffer // all of stdout and stderr
	stop   context.CancelFunc
	ended  chan int
}

// serve starts a server, and waits until it listens.
func (w *world) serve(t *testing.T, v *variant.Variant, args ...string) *server {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &server{t: t, stop: stop, ended: make(chan int, 1)}
	r, out := io.Pipe()
	args = append([]string{"serve", v.Cluster, "--json", "--listen", "127.0.0.1:0", "--clusters", v.Path("clusters"), "--out", v.Path("out")}, args...)
	go func() {
		status := cli.Run(ctx, nil, out, s, args)
		_ = out.Close()
		s.ended <- status
	}()
	listens := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, _ = s.Write(append(lines.Bytes(), '\n'))
			var e serve.Event
			if json.Unmarshal(lines.Bytes(), &e) != nil {
				continue
			}
			s.mu.Lock()
			s.events = append(s.events, e)
			s.mu.Unlock()
			if e.Kind == serve.Listening {
				s.at = e.Address
				close(listens)
			}
		}
	}()
	t.Cleanup(stop)
	select {
	case <-listens:
	case status := <-s.ended:
		t.Fatalf("ingot serve ends with %d:\n%s", status, s.text())
	case <-time.After(5 * time.Minute):
		t.Fatalf("ingot serve does not listen:\n%s", s.text())
	}
	return s
}

// Write takes what the server says.
func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(p)
}

func (s *server) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// kinds are the events about a node, without how often a medium was fetched.
func (s *server) kinds(node string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, e := range s.events {
		if e.Node == node {
			kind := string(e.Kind)
			if e.Alarm {
				kind = "ALARM " + kind
			}
			out = append(out, kind)
		}
	}
	return strings.Join(out, ", ")
}

// end ends the server, and looks for keys in what it has said.
func (s *server) end(keys []string) {
	s.t.Helper()
	s.stop()
	if status := <-s.ended; status != 0 {
		s.t.Errorf("ingot serve ends with %d:\n%s", status, s.text())
	}
	s.t.Logf("ingot serve says:\n%s", s.text())
	for _, key := range keys {
		if strings.Contains(s.text(), key) {
			s.t.Errorf("ingot serve says a part of a key: %.12s...", key)
		}
	}
}

// fromNetwork is a machine with an empty disk that starts from a server.
func (w *world) fromNetwork(t *testing.T, name, mac string, s *server) machine.Config {
	t.Helper()
	cfg := w.bare(t, name)
	cfg.Boot = "net0"
	cfg.Nets = []machine.Net{{
		Kind: machine.User, MAC: mac, File: "http://" + networkServer + serve.PathScript,
		Forward: []machine.Forward{{Guest: 22}}, Reach: []machine.Reach{qemu.Reach(t, networkServer, s.at)},
	}}
	return cfg
}

// runFromNetwork: BIOS; the state is made on the empty disk. Then it starts
// again, without an identity, which it keeps.
func runFromNetwork(t *testing.T, w *world) {
	s := w.serve(t, w.bootISO, "lab1", "--mac", "lab1="+macRun)
	secrets := keys(t, w.bootISO, "lab1")
	cfg := w.fromNetwork(t, "netrun", macRun, s)
	n := w.start(t, cfg)
	n.expect(saysFetching, identityTime, saysPanic, saysStop)
	n.expect(saysIdentity, installTime, saysPanic, saysStop)
	n.expect(saysMakesState, identityTime, saysPanic, saysStop)
	n.accepted("lab1", workerRoles)
	n.login()
	n.waits("lab1")
	n.silent(secrets)
	n.noToken()
	id := n.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub")
	if got, want := s.kinds("lab1"), "offered, given, done"; got != want {
		t.Errorf("the server tells %q, want %q", got, want)
	}
	n.powerdown()

	n = w.start(t, cfg)
	n.expect(saysUsesState, identityTime, saysPanic, saysStop, saysMakesState, saysIdentity)
	n.accepted("lab1", workerRoles)
	n.login()
	if got := n.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"); got != id {
		t.Errorf("after a reboot the machine's own identity is\n%s, and was\n%s", got, id)
	}
	n.powerdown()
	if got, want := s.kinds("lab1"), "offered, given, done, started"; got != want {
		t.Errorf("the server tells %q, want %q", got, want)
	}
	s.end(secrets)
}

// installFromNetwork: UEFI; the image goes to the disk. The power goes when the
// identity is there and nothing is done with it yet, and the machine starts
// again. The last start is from its disk, as the server has it.
func installFromNetwork(t *testing.T, w *world) {
	s := w.serve(t, w.bootISO, "--node", "lab2")
	secrets := keys(t, w.bootISO, "lab2")
	cfg := w.fromNetwork(t, "netinstall", macInstall, s)
	cfg.Firmware = machine.UEFI
	n := w.start(t, cfg)
	n.expect(saysIdentity, installTime, saysPanic, saysStop)
	n.Kill()

	n = w.start(t, cfg)
	n.expect(saysInstalling, identityTime, saysPanic, saysStop)
	n.installed()
	n.silent(secrets)
	if got, want := s.kinds("lab2"), "started, offered, given, ALARM offered, given, done"; got != want {
		t.Errorf("the server tells %q, want %q", got, want)
	}

	n = w.start(t, cfg)
	n.accepted("lab2", workerRoles)
	n.login()
	n.waits("lab2")
	n.silent(secrets)
	if said := n.run("cat /proc/cmdline; losetup --noheadings --list"); strings.Contains(said, "ingot.boot") {
		t.Errorf("the machine does not run from its disk: %s", said)
	}
	n.powerdown()
	if got, want := s.kinds("lab2"), "started, offered, given, ALARM offered, given, done, started"; got != want {
		t.Errorf("the server tells %q, want %q", got, want)
	}
	s.end(secrets)
}

// noToken checks that nothing is left of what the identity was asked for with.
func (n *node) noToken() {
	n.t.Helper()
	if said := n.run("ls /run/ingot/fetched"); strings.TrimSpace(said) != "boot.iso" {
		n.t.Errorf("the machine has kept %q", said)
	}
	// The hashes that may be on its consoles are those of its kernel line.
	line := n.run("cat /proc/cmdline")
	for _, word := range regexp.MustCompile(`\b[0-9a-f]{64}\b`).FindAllString(n.Console().Text(), -1) {
		if !strings.Contains(line, word) {
			n.t.Errorf("the console has %s, which may be the token", word)
		}
	}
}
