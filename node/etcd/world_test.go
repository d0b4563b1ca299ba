package etcd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
)

// patience bounds what a test waits for.
const patience = 90 * time.Second

// world is a few controllers on loopback addresses of their own, with real
// etcds.
type world struct {
	t        *testing.T
	net      int32
	program  string
	machines []*machine
	ca       *authority

	mu  sync.Mutex
	cut map[string]bool // "from>to": connections of keepers that do not get through
}

// nets gives every world addresses of its own: 127.77.net.x.
var nets atomic.Int32

// newWorld has n controllers, none of which is on.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	w := &world{t: t, net: nets.Add(1), program: need.Tool(t, "etcd"), ca: newAuthority(t), cut: map[string]bool{}}
	w.add(n)
	return w
}

// add defines so many more controllers. The identities of the others stay as
// they are.
func (w *world) add(n int) {
	for range n {
		i := len(w.machines)
		w.machines = append(w.machines, &machine{
			world: w, t: w.t, name: fmt.Sprintf("lab%d", i), ip: fmt.Sprintf("127.77.%d.%d", w.net, i+1), root: w.t.TempDir(),
		})
	}
	for _, m := range w.machines[len(w.machines)-n:] {
		m.identity(w.machines)
	}
}

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

// tearDown ends everything; after a failure it shows what was said.
func (w *world) tearDown() {
	for _, m := range w.machines {
		m.off()
	}
	if !w.t.Failed() {
		return
	}
	for _, m := range w.machines {
		log, _ := os.ReadFile(filepath.Join(m.root, "etcd.log"))
		w.t.Logf("%s said:\n%s\nits etcd (end):\n%s", m.name, m.heard(), log[max(0, len(log)-1500):])
	}
}

// start makes a world whose machines are all on and well.
func start(t *testing.T, n int) *world {
	t.Helper()
	t.Parallel()
	w := newWorld(t, n)
	t.Cleanup(w.tearDown)
	for _, m := range w.machines {
		m.on()
	}
	w.well(w.machines...)
	return w
}

// eventually waits for something to become true.
func (w *world) eventually(what string, f func() error) {
	w.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	w.t.Fatalf("%s: not within %s: %v", what, patience, err)
}

// hears waits until a machine has said something.
func (w *world) hears(m *machine, text string) {
	w.t.Helper()
	w.eventually(m.name+" says "+text, func() error {
		if !strings.Contains(m.heard(), text) {
			return errors.New("it has not")
		}
		return nil
	})
}

// for seconds, it stays as it is.
func (w *world) stays(what string, d time.Duration, f func() error) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err := f(); err != nil {
			w.t.Fatalf("%s: %v", what, err)
		}
	}
}

// untouched reports that no etcd has been started in a data folder.
func untouched(m *machine) error {
	d, err := readData(m.root)
	if err == nil && d.There {
		err = fmt.Errorf("etcd was started on %s", m.name)
	}
	if _, e := os.Stat(filepath.Join(m.root, settingsPath)); e == nil {
		err = errors.Join(err, fmt.Errorf("%s has settings for etcd", m.name))
	}
	return err
}

func (m *machine) client() member {
	t, err := readTrust(m.root)
	must(m.t, err)
	return member{web: web{dial: m.dial, timeout: 3 * time.Second}, config: t.client, url: m.url(2379)}
}

// well waits until these machines, and no others, are voting members of one
// cluster.
func (w *world) well(machines ...*machine) {
	w.t.Helper()
	w.eventually("well", func() error {
		var clusters []ID
		for _, m := range machines {
			l, err := m.client().list(w.t.Context())
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			var names []string
			for _, member := range voters(l.Members) {
				names = append(names, member.Name)
			}
			slices.Sort(names)
			var want []string
			for _, m := range machines {
				want = append(want, m.name)
			}
			slices.Sort(want)
			if !slices.Equal(names, want) || len(l.Members) != len(want) {
				return fmt.Errorf("%s says members are %v", m.name, l.Members)
			}
			clusters = append(clusters, l.Header.ClusterID)
		}
		if len(slices.Compact(clusters)) != 1 {
			return fmt.Errorf("clusters %v", clusters)
		}
		return nil
	})
}

func (w *world) put(m *machine, key, value string) {
	w.t.Helper()
	b := base64.StdEncoding.EncodeToString
	w.eventually("writing at "+m.name, func() error {
		var out struct{}
		return m.client().call(w.t.Context(), "/v3/kv/put", map[string]string{"key": b([]byte(key)), "value": b([]byte(value))}, &out)
	})
}

func (w *world) get(m *machine, key string) string {
	w.t.Helper()
	var out struct {
		Kvs []struct{ Value []byte }
	}
	w.eventually("reading at "+m.name, func() error {
		return m.client().call(w.t.Context(), "/v3/kv/range", map[string]string{"key": base64.StdEncoding.EncodeToString([]byte(key))}, &out)
	})
	if len(out.Kvs) == 0 {
		return ""
	}
	return string(out.Kvs[0].Value)
}

// holds checks that a value is there at machines.
func (w *world) holds(key, value string, machines ...*machine) {
	w.t.Helper()
	for _, m := range machines {
		if got := w.get(m, key); got != value {
			w.t.Errorf("%s has %s=%q, want %q", m.name, key, got, value)
		}
	}
}

// crashAt has a keeper end where a step begins with a text, as by a power cut.
func (m *machine) crashAt(step string) <-chan struct{} {
	reached := make(chan struct{})
	var once atomic.Bool
	m.edit = func(c *Config) {
		c.Crash = func(s string) {
			if strings.HasPrefix(s, step) && once.CompareAndSwap(false, true) {
				close(reached)
				runtime.Goexit()
			}
		}
	}
	return reached
}

func reach(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s was not reached", what)
	}
}

// authority is an authority of etcd.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcd"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{cert: cert, key: key, pem: encode("CERTIFICATE", der)}
}

func (a *authority) issue(t *testing.T, ip string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "node"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.ParseIP(ip), net.ParseIP("127.0.0.1")},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	must(t, err)
	text, err := x509.MarshalECPrivateKey(private)
	must(t, err)
	return encode("CERTIFICATE", der), encode("EC PRIVATE KEY", text)
}

func encode(kind string, der []byte) string {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}) // into memory
	return b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
