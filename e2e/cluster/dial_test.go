package cluster_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"golang.org/x/crypto/ssh"
)

// relayPath is where the workload's program is on machines, from which
// connections are made as if the test ran there.
const relayPath = "/var/lib/workload"

// upload puts the program on a machine.
func (s *suite) upload(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(s.program)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.shell(name)
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	session.Stdin = bytes.NewReader(data)
	if said, err := session.CombinedOutput("sudo -n sh -c 'cat >" + relayPath + ".new && chmod 755 " + relayPath + ".new && mv " + relayPath + ".new " + relayPath + "'"); err != nil {
		t.Fatalf("%s: %v: %s", name, err, said)
	}
}

// relayed is a connection that a machine makes for the test.
type relayed struct {
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	closed  sync.Once
}

func (r *relayed) Read(p []byte) (int, error)  { return r.out.Read(p) }
func (r *relayed) Write(p []byte) (int, error) { return r.in.Write(p) }
func (r *relayed) Close() error {
	r.closed.Do(func() { _ = r.session.Close() }) // its other end sees it
	return nil
}
func (r *relayed) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (r *relayed) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (r *relayed) SetDeadline(time.Time) error      { return nil } // whoever uses it has a time limit of his own
func (r *relayed) SetReadDeadline(time.Time) error  { return nil }
func (r *relayed) SetWriteDeadline(time.Time) error { return nil }

// dialFrom makes a TCP connection from a machine. That nobody listens there
// shows when something is read.
func (s *suite) dialFrom(name, address string) (net.Conn, error) {
	c, err := s.shell(name)
	if err != nil {
		return nil, err
	}
	session, err := c.NewSession()
	if err != nil {
		s.disconnect(name)
		return nil, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Start("sudo -n " + relayPath + " relay " + address); err != nil {
		return nil, err
	}
	return &relayed{session: session, in: in, out: out}, nil
}

// ask makes a request from a machine, over TLS unless credentials is nil, and
// returns the status code and the answer.
func (s *suite) ask(ctx context.Context, from, address, path string, credentials *tls.Config) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, shellTime)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: credentials,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return s.dialFrom(from, address) },
	}
	scheme := "https://"
	if credentials == nil {
		scheme = "http://"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+address+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("from %s: %w", from, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// identityFile is a file of a node's identity.
func (s *suite) identityFile(t *testing.T, node, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(s.cluster.File(node, "identity.bundle"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := ignition.ReadBundle(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == path {
			return f.Data
		}
	}
	t.Fatalf("the identity of %s has no %s", node, path)
	return nil
}

// as is the TLS of somebody who trusts an authority and shows a certificate of a
// node's identity: "" for none, a path without ".crt" and ".key" else.
func (s *suite) as(t *testing.T, node, authority, stem string) *tls.Config {
	t.Helper()
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !cfg.RootCAs.AppendCertsFromPEM(s.identityFile(t, node, authority)) {
		t.Fatalf("%s is no certificate", authority)
	}
	if stem != "" {
		cert, err := tls.X509KeyPair(s.identityFile(t, node, stem+".crt"), s.identityFile(t, node, stem+".key"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg
}

// Authorities of identities.
const (
	kubeCA = "/etc/kubernetes/pki/ca.crt"
	etcdCA = "/etc/etcd/pki/ca.crt"
)
