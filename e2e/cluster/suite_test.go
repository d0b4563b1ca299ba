package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"golang.org/x/crypto/ssh"
)

// How long things may take without KVM on a host that is busy: several times
// of what they take on an idle one.
const (
	stepTime  = 12 * time.Minute
	tryPause  = 3 * time.Second
	sshTime   = time.Minute
	shellTime = 2 * time.Minute
)

// suite is a lab under test.
type suite struct {
	*made
	t       *testing.T
	lab     *lab.Lab
	def     *cluster.Cluster
	client  *client // runs through all that is done to the cluster
	began   time.Time
	results []string

	mu     sync.Mutex
	shells map[string]*ssh.Client
}

// newSuite starts the machines.
func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{made: makeAll(t), t: t, shells: map[string]*ssh.Client{}}
	var err error
	if s.def, _, err = cluster.Load(s.cluster.Definition()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, "lab")
	if err := os.RemoveAll(dir); err != nil { // of a run that was ended
		t.Fatal(err)
	}
	log := &lines{t: t}
	s.began = time.Now()
	s.lab, err = lab.Start(t.Context(), lab.Config{
		Cluster: s.def, Dir: dir, Image: s.cluster.Out("images", "latest.qcow2"),
		Nodes: s.cluster.Out("nodes"), Kubeconfig: s.cluster.Out("kubeconfig"),
		Others: []string{"stranger", "expired", "clone"}, Memory: 3072, Log: log, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.disconnect("")
		if err := s.lab.Close(); err != nil {
			t.Errorf("closing the lab: %v", err)
		}
		log.end()
	})
	return s
}

// lines passes what the lab says on to the test.
type lines struct {
	mu    sync.Mutex
	t     *testing.T
	ended bool
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.t.Logf("lab: %s", bytes.TrimSpace(p))
	}
	return len(p), nil
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// basis runs a step that all that follows builds upon: if it fails, the test
// ends.
func (s *suite) basis(name string, f func(t *testing.T)) {
	s.t.Helper()
	if !s.step(name, f) {
		s.t.Fatalf("%s failed: the rest is not tried", name)
	}
}

// step runs one step of the test.
func (s *suite) step(name string, f func(t *testing.T)) bool {
	s.t.Helper()
	began := time.Now()
	ok := s.t.Run(name, func(t *testing.T) {
		defer func() {
			if t.Failed() {
				s.explain(t)
			}
		}()
		f(t)
	})
	line := fmt.Sprintf("%-28s %5.0f s, at %5.0f s", name, time.Since(began).Seconds(), time.Since(s.began).Seconds())
	s.results = append(s.results, line)
	s.t.Log(line)
	return ok
}

// paced is how long something takes here that takes so long by the machines'
// clock.
func (s *suite) paced(d time.Duration) time.Duration {
	return d * time.Duration(s.lab.Status().Slow)
}

// explain shows how the machines are.
func (s *suite) explain(t *testing.T) {
	status := s.lab.Status()
	t.Logf("the lab:\n%s", status.Table())
	for _, m := range status.Machines {
		if m.Power == lab.PowerNever {
			continue
		}
		if machine := s.lab.Machine(m.Name); machine != nil {
			t.Logf("%s: console:\n%s", m.Name, machine.Console().Tail())
		}
		if m.Power == lab.PowerOn {
			said, err := s.try(m.Name, `systemctl --failed --plain --no-legend; ingot-node health; journalctl -b --no-pager -p warning -n 40 | cut -c 1-300`)
			t.Logf("%s: %v\n%s", m.Name, err, said)
		}
	}
}

// eventually waits until a try succeeds.
func (s *suite) eventually(t *testing.T, what string, try func(ctx context.Context) error) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), stepTime)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			t.Logf("%s: after %.0f s", what, time.Since(began).Seconds())
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not after %.0f s: %v", what, time.Since(began).Seconds(), err)
		case <-time.After(tryPause):
		}
	}
}

// ready waits until the API has nodes as Ready, which it did not know before.
func (s *suite) ready(t *testing.T, names ...string) {
	t.Helper()
	s.eventually(t, strings.Join(names, ", ")+" Ready", func(context.Context) error {
		status := s.lab.Status()
		for _, name := range names {
			if m, _ := status.Machine(name); m.Ready != "True" {
				return fmt.Errorf("%s is %q: %s", name, m.Ready, status.Trouble)
			}
		}
		return nil
	})
}

// kubectl runs Kubernetes' own client from outside, with the admin's kubeconfig.
func (s *suite) kubectl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, shellTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.made.kubectl, append([]string{"--kubeconfig", s.lab.Kubeconfig()}, args...)...)
	cmd.Env = []string{"HOME=" + s.Dir, "PATH=" + os.Getenv("PATH")}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return said.String(), fmt.Errorf("kubectl %q: %w: %s", args, err, said.String())
	}
	return said.String(), nil
}

// shell is a connection to a machine's SSH server, which is kept.
func (s *suite) shell(name string) (*ssh.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.shells[name]; ok {
		return c, nil
	}
	status := s.lab.Status()
	m, ok := status.Machine(name)
	if !ok {
		return nil, fmt.Errorf("there is no machine %q", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), sshTime)
	defer cancel()
	conn, err := s.lab.Segment().DialContext(ctx, "tcp", net.JoinHostPort(m.Address, "22"))
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(sshTime)) // a connection that has ended says so itself
	c, chans, reqs, err := ssh.NewClientConn(conn, name, &ssh.ClientConfig{
		User: "ingot", Auth: []ssh.AuthMethod{ssh.PublicKeys(s.Key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the machine made it a moment ago
	})
	if err != nil {
		_ = conn.Close() // the first error is the one to report
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	s.shells[name] = ssh.NewClient(c, chans, reqs)
	return s.shells[name], nil
}

// disconnect forgets the connection to a machine, or to all.
func (s *suite) disconnect(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, c := range s.shells {
		if name == "" || n == name {
			_ = c.Close() // the machine may be gone
			delete(s.shells, n)
		}
	}
}

// try runs a script as root and returns what it says.
func (s *suite) try(name, script string) (string, error) {
	c, err := s.shell(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	session, err := c.NewSession()
	if err != nil {
		s.disconnect(name)
		return "", fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = session.Close() }()
	timer := time.AfterFunc(shellTime, func() { s.disconnect(name) })
	defer timer.Stop()
	session.Stdin = strings.NewReader("PATH=$PATH:/usr/lib/ingot/bin\n" + script)
	said, err := session.CombinedOutput("sudo -n bash -s")
	if err != nil {
		return string(said), fmt.Errorf("%s: %q: %w: %s", name, script, err, said)
	}
	return string(said), nil
}

// run is try for what must succeed.
func (s *suite) run(t *testing.T, name, script string) string {
	t.Helper()
	said, err := s.try(name, script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said)
}
