package cluster_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// probesAtOnce is how many clients ask at the same time.
const probesAtOnce = 4

// credentials is the TLS that a client speaks: nil for none.
type credentials struct{ *tls.Config }

// plain is without TLS.
var plain = credentials{}

// trusting is the same client, who trusts the servers that another trusts.
func (c credentials) trusting(other credentials) credentials {
	out := c.Clone()
	out.RootCAs = other.RootCAs
	return credentials{out}
}

// careless is the same client, who does not look whom he speaks with.
func (c credentials) careless() credentials {
	out := c.Clone()
	out.InsecureSkipVerify = true
	return credentials{out}
}

// speaking is the same client, with no other versions and suites than these.
func (c credentials) speaking(oldest, newest uint16, suites []uint16) credentials {
	out := c.Clone()
	out.MinVersion, out.MaxVersion, out.CipherSuites = oldest, newest, suites
	return credentials{out}
}

// cast are the clients.
type cast struct {
	nobody, nobodyOfEtcd                           credentials
	foreign, admin                                 credentials
	kubelet, proxy, dns, metrics, scheduler, spare credentials
	frontProxy, etcdServer, etcdPeer               credentials
}

// cast makes the clients, with certificates of the node from; those of a front
// proxy and of the scheduler of the controller to.
func (s *suite) cast(t *testing.T, from, to string) *cast {
	t.Helper()
	kube := func(node, stem string) credentials { return insistent(s.as(t, node, kubeCA, stem)) }
	c := &cast{
		nobody: kube(from, ""), nobodyOfEtcd: credentials{s.as(t, from, etcdCA, "")},
		kubelet: kube(from, kubelet), proxy: kube(from, proxy), dns: kube(from, dns), metrics: kube(from, metrics),
		scheduler: kube(to, schedulerCert), spare: kube("spare0", kubelet), frontProxy: kube(to, frontProxy),
		etcdServer: kube(from, etcdServer), etcdPeer: insistent(s.as(t, from, etcdCA, etcdPeer)),
	}
	_, admin := s.admin(t)
	c.admin = credentials{admin}.trusting(c.nobody)
	stranger := c.nobody.Clone()
	stranger.Certificates = []tls.Certificate{foreign(t)}
	c.foreign = insistent(stranger)
	return c
}

// insistent is a client who shows his certificate to everybody. Go's own shows
// it only to servers that say that they know its authority.
func insistent(cfg *tls.Config) credentials {
	out := cfg.Clone()
	if len(out.Certificates) == 1 {
		out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &out.Certificates[0], nil }
	}
	return credentials{out}
}

// foreign is a certificate of an authority of its own, for the most powerful of
// names.
func foreign(t *testing.T) tls.Certificate {
	t.Helper()
	authority, leaf := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	request := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, request, ca, &leaf.PublicKey, authority))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leaf}
}

// forwarded is a connection that a machine's SSH server makes: nothing has to
// be started there for it. An error says "Connection refused" where nobody
// listens.
func (s *suite) forwarded(ctx context.Context, from, address string) (net.Conn, error) {
	c, err := s.shell(from)
	if err != nil {
		return nil, err
	}
	return c.DialContext(ctx, "tcp", address)
}

// errSilent is of a server that says nothing to who is not to be let in.
var errSilent = errors.New("TLS is not refused")

// handshake is what a server says to a client whose TLS it is to refuse.
func (s *suite) handshake(t *testing.T, from, address string, who credentials) error {
	ctx, cancel := context.WithTimeout(t.Context(), shellTime)
	defer cancel()
	conn, err := s.forwarded(ctx, from, address)
	if err != nil {
		t.Errorf("from %s to %s: %v", from, address, err)
		return errSilent
	}
	defer func() { _ = conn.Close() }()
	cfg := who.Clone()
	if cfg.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return err
	}
	client := tls.Client(conn, cfg)
	if err := client.HandshakeContext(ctx); err != nil {
		return err
	}
	// In TLS 1.3 the server looks at the client's certificate when the client is
	// done, and says so unasked. Who has been let in hears nothing.
	silent := time.AfterFunc(20*time.Second, func() { _ = conn.Close() })
	_, err = client.Read(make([]byte, 1))
	if !silent.Stop() || err == nil || errors.Is(err, io.EOF) {
		return errSilent
	}
	return err
}

// refusesTLS checks that it was the server who refused, and because of TLS.
func refusesTLS(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "remote error: tls: ") {
		t.Errorf("%s: %v", what, err)
	}
}

// run asks what a probe asks, over one connection.
func (p *probe) run(t *testing.T, s *suite) {
	if len(p.asks) == 0 {
		refusesTLS(t, p.what+" at "+p.address, s.handshake(t, p.from, p.address, p.who))
		return
	}
	transport := &http.Transport{
		MaxConnsPerHost: 1, TLSClientConfig: p.who.Config, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.forwarded(ctx, p.from, p.address) },
	}
	defer transport.CloseIdleConnections()
	for _, a := range p.asks {
		code, body, err := a.do(t.Context(), transport, p)
		if err != nil || code != a.want {
			t.Errorf("%s at %s: %s %s %q: %d, want %d: %v %.200s", p.what, p.address, a.method, a.path, a.header, code, a.want, err, body)
		}
	}
}

func (a *asking) do(ctx context.Context, transport http.RoundTripper, p *probe) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, shellTime)
	defer cancel()
	scheme := "https://"
	if p.who.Config == nil {
		scheme = "http://"
	}
	req, err := http.NewRequestWithContext(ctx, a.method, scheme+p.address+a.path, strings.NewReader(a.body))
	if err != nil {
		return 0, "", err
	}
	for line := range strings.Lines(a.header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		req.Header.Set(name, value)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// weak are the suites of TLS 1.2 and before that no server is to speak: all but
// those with ephemeral keys and authenticated encryption.
func weak() []uint16 {
	var out []uint16
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		good := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "_POLY1305"))
		if slices.Contains(suite.SupportedVersions, tls.VersionTLS12) && !good {
			out = append(out, suite.ID)
		}
	}
	return out
}

// access: the anonymous, those with certificates of other authorities, and those
// with certificates for something else get what they are to get, and no more.
func (s *suite) access(t *testing.T) {
	probes := s.probes(t)
	work := make([]func(), 0, 2*len(probes))
	asked := 0
	for i := range probes {
		asked += max(1, len(probes[i].asks))
		work = append(work, func() { probes[i].run(t, s) })
	}
	old, closed := s.oldTLS(t), s.closedInside(t)
	work = append(append(work, old...), closed...)
	began := time.Now()
	slots := make(chan struct{}, probesAtOnce)
	var running sync.WaitGroup
	for _, f := range work {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			f()
		})
	}
	running.Wait()
	s.filesOnDisk(t, "lab0")
	t.Logf("%d requests of %d clients, %d of old TLS, %d closed ports, in %.0f s", asked, len(probes), len(old), len(closed), time.Since(began).Seconds())
}

// oldTLS are tries with old versions and weak suites, at every server that
// speaks TLS. Each is also spoken to with what is good, by the probes.
func (s *suite) oldTLS(t *testing.T) []func() {
	const from, to = "lab1", "lab0"
	c := s.cast(t, from, to)
	type server struct {
		from, address string
		who           credentials
	}
	servers := map[string]server{
		"kube-apiserver":          {from, s.at(to, s.def.Def.API.Port), c.nobody},
		"kubelet":                 {from, s.at(to, s.def.Def.Kubernetes.Kubelet.Port), c.nobody},
		"etcd":                    {from, s.at(to, s.def.Def.Etcd.ClientPort), c.etcdServer.trusting(c.nobodyOfEtcd)},
		"etcd, for members":       {from, s.at(to, s.def.Def.Etcd.PeerPort), c.etcdPeer},
		"kube-controller-manager": {to, local(10257), c.nobody.careless()},
		"kube-scheduler":          {to, local(10259), c.nobody.careless()},
		"node-exporter":           {from, s.at(to, 9100), c.nobody},
	}
	var out []func()
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		server := servers[name]
		out = append(out, func() {
			old := server.who.speaking(tls.VersionTLS10, tls.VersionTLS11, nil)
			refusesTLS(t, name+" with TLS 1.1", s.handshake(t, server.from, server.address, old))
		})
		if name == "node-exporter" { // which has Go's own suites
			continue
		}
		out = append(out, func() {
			poor := server.who.speaking(tls.VersionTLS12, tls.VersionTLS12, weak())
			refusesTLS(t, name+" with weak suites", s.handshake(t, server.from, server.address, poor))
		})
	}
	return out
}

// closedInside are tries of what is not to be there in the mesh: what listens on
// loopback alone, and what programs of this kind have elsewhere.
func (s *suite) closedInside(t *testing.T) []func() {
	const from, to = "lab1", "lab0"
	inMesh := map[int]bool{}
	for _, l := range s.listeners(t) {
		inMesh[l.Port] = inMesh[l.Port] || l.Proto == "tcp" && l.Address != "loopback" && !strings.HasPrefix(l.Address, "127.")
	}
	for _, n := range []int{10255, 8080, 4194, 1338, 1936, 8404} { // those of forgotten that belong to our programs
		inMesh[n] = inMesh[n] || false
	}
	var out []func()
	for n, there := range inMesh {
		if there || n == 0 {
			continue
		}
		out = append(out, func() {
			conn, err := s.forwarded(t.Context(), from, s.at(to, n))
			if err == nil {
				_ = conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "refused") {
				t.Errorf("from %s, %s: %v", from, s.at(to, n), fmt.Sprint(err))
			}
		})
	}
	return out
}
