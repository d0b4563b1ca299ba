package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// machine is one controller.
type machine struct {
	world    *world
	t        *testing.T
	name, ip string
	root     string
	edit     func(*Config)

	mu     sync.Mutex
	said   []string
	cancel context.CancelFunc
	ended  chan struct{} // the keeper
	boot   int
	etcd   *supervisor
}

func (m *machine) url(port int) string { return fmt.Sprintf("https://%s:%d", m.ip, port) }

func (m *machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// identity writes what a node has of etcd.
func (m *machine) identity(all []*machine) {
	var endpoints, initial []string
	for _, c := range all {
		endpoints = append(endpoints, `"`+c.url(2379)+`"`)
		initial = append(initial, c.name+"="+c.url(2380))
	}
	m.write("etc/ingot/node.json", fmt.Sprintf(`{"apiVersion":"ingot/v1","kind":"Node","cluster":"lab","domain":"lab.example.com",
 "name":%q,"fqdn":"x.lab.example.com","index":1,"roles":["controller"],"mesh":{"interface":"mesh0","addresses":[%q]},
 "etcd":{"endpoints":[%s],"initialCluster":%q,"metricsPort":2381}}`, m.name, m.ip, strings.Join(endpoints, ","), strings.Join(initial, ",")))
	m.certificates(m.world.ca)
}

func (m *machine) certificates(ca *authority) {
	m.write("etc/etcd/pki/ca.crt", ca.pem)
	m.write("usr/lib/ingot/pki/etcd.crt", ca.pem)
	for _, stem := range []string{"server", "peer"} {
		cert, key := ca.issue(m.t, m.ip)
		m.write("etc/etcd/pki/"+stem+".crt", cert)
		m.write("etc/etcd/pki/"+stem+".key", key)
	}
}

// on starts a machine: its keeper, and what that has started.
func (m *machine) on() {
	m.t.Helper()
	must(m.t, os.RemoveAll(filepath.Join(m.root, "run")))
	m.boot++
	m.write("proc/sys/kernel/random/boot_id", fmt.Sprintf("%d\n", m.boot))
	k := m.keeper()
	ctx, cancel := context.WithCancel(m.t.Context())
	m.cancel, m.ended = cancel, make(chan struct{})
	ended := m.ended
	go func() {
		defer close(ended)
		defer cancel()
		if err := k.Run(ctx); err != nil {
			m.say(Error, "ended: "+err.Error())
		}
	}()
}

func (m *machine) keeper() *Keeper {
	c := Config{
		Root: m.root, Now: time.Now, Say: m.say,
		Start: func(context.Context) error { m.start(); return nil },
		Stop:  func(context.Context) error { m.stop(); return nil },
		Dial:  m.dial, Interval: 200 * time.Millisecond, AskTimeout: 3 * time.Second, AliveWindow: 7 * time.Second, Idle: time.Second, Spacing: time.Nanosecond,
	}
	if m.edit != nil {
		m.edit(&c)
	}
	k, err := New(c)
	must(m.t, err)
	return k
}

// off is a power cut: nothing gets to tidy up.
func (m *machine) off() {
	m.stop()
	if m.cancel != nil {
		m.cancel()
		<-m.ended
		m.cancel = nil
	}
	m.stop()
}

func (m *machine) loseDisk() {
	m.t.Helper()
	must(m.t, os.RemoveAll(filepath.Join(m.root, "var")))
}

func (m *machine) say(_ Level, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = append(m.said, text)
}

func (m *machine) heard() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.said, "\n")
}

func (m *machine) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = nil
}

// dial connects from the machine's own address, unless the way is cut.
func (m *machine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	m.world.mu.Lock()
	cut := m.world.cut[m.ip+">"+host]
	m.world.mu.Unlock()
	if cut {
		return nil, errors.New("no route to host")
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(m.ip)}}
	return d.DialContext(ctx, network, address)
}

// part cuts or mends the way between two groups of machines.
func (w *world) part(cut bool, a, b []*machine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range a {
		for _, y := range b {
			w.cut[x.ip+">"+y.ip], w.cut[y.ip+">"+x.ip] = cut, cut
		}
	}
}

// supervisor runs etcd again and again, as systemd does.
type supervisor struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

func (m *machine) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.etcd != nil {
		return
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	s := &supervisor{cancel: cancel, ended: make(chan struct{})}
	m.etcd = s
	go func() {
		defer close(s.ended)
		for ctx.Err() == nil {
			m.runEtcd(ctx)
			_ = pause(ctx, 300*time.Millisecond)
		}
	}()
}

func (m *machine) stop() {
	m.mu.Lock()
	s := m.etcd
	m.etcd = nil
	m.mu.Unlock()
	if s != nil {
		s.cancel()
		<-s.ended
	}
}

// runEtcd runs etcd once, with the identity's settings and then those that
// were decided.
func (m *machine) runEtcd(ctx context.Context) {
	decided, err := os.ReadFile(filepath.Join(m.root, settingsPath))
	if err != nil {
		return // the unit would not start either
	}
	pki := filepath.Join(m.root, pkiDir)
	env := []string{
		"ETCD_NAME=" + m.name, "ETCD_DATA_DIR=" + filepath.Join(m.root, dataDir),
		"ETCD_LISTEN_CLIENT_URLS=" + m.url(2379), "ETCD_ADVERTISE_CLIENT_URLS=" + m.url(2379),
		"ETCD_LISTEN_PEER_URLS=" + m.url(2380), "ETCD_INITIAL_ADVERTISE_PEER_URLS=" + m.url(2380),
		"ETCD_LISTEN_METRICS_URLS=http://" + m.ip + ":2381",
		"ETCD_CERT_FILE=" + pki + "/server.crt", "ETCD_KEY_FILE=" + pki + "/server.key", "ETCD_TRUSTED_CA_FILE=" + pki + "/ca.crt", "ETCD_CLIENT_CERT_AUTH=true",
		"ETCD_PEER_CERT_FILE=" + pki + "/peer.crt", "ETCD_PEER_KEY_FILE=" + pki + "/peer.key", "ETCD_PEER_TRUSTED_CA_FILE=" + pki + "/ca.crt", "ETCD_PEER_CLIENT_CERT_AUTH=true",
		"ETCD_HEARTBEAT_INTERVAL=100", "ETCD_ELECTION_TIMEOUT=1000", "ETCD_PRE_VOTE=true", "ETCD_LOGGER=zap", "ETCD_LOG_LEVEL=warn",
		"ETCD_UNSAFE_NO_FSYNC=true",
	}
	env = append(env, strings.Fields(string(decided))...)
	log, err := os.OpenFile(filepath.Join(m.root, "etcd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(ctx, m.world.program)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	_ = cmd.Run() // killed, or ended by itself: the log says why
}
