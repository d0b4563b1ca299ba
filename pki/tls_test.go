package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// A pair is a connection that Kubernetes makes.
type pair struct {
	name       string
	client     [2]string // node and certificate; "" is no certificate
	server     [2]string
	clientCA   Authority // whom the server asks about the client
	serverCA   Authority // whom the client asks about the server
	serverName []string  // what the client dials, each
}

var pairs = []pair{
	{"apiserver to etcd", [2]string{"master0", "apiserver-etcd-client"}, [2]string{"master1", "etcd-server"}, Etcd, Etcd, []string{"10.42.0.2", "master1", "master1.prod.example.com"}},
	{"apiserver to its own etcd", [2]string{"master0", "apiserver-etcd-client"}, [2]string{"master0", "etcd-server"}, Etcd, Etcd, []string{"127.0.0.1", "::1", "localhost"}},
	{"etcd gateway to itself", [2]string{"master0", "etcd-server"}, [2]string{"master0", "etcd-server"}, Etcd, Etcd, []string{"127.0.0.1", "localhost", "10.42.0.1"}},
	{"etcd to etcd", [2]string{"master0", "etcd-peer"}, [2]string{"master2", "etcd-peer"}, Etcd, Etcd, []string{"10.42.0.3", "master2.prod.example.com"}},
	{"apiserver to kubelet", [2]string{"master0", "apiserver-kubelet-client"}, [2]string{"worker9", "kubelet-server"}, Kubernetes, Kubernetes, []string{"10.42.0.5", "worker9", "worker9.prod.example.com"}},
	{"apiserver to kubelet of an edge", [2]string{"master0", "apiserver-kubelet-client"}, [2]string{"edge0", "kubelet-server"}, Kubernetes, Kubernetes, []string{"10.42.0.4", "198.51.100.7"}},
	{"apiserver to kubelet of a spare", [2]string{"master2", "apiserver-kubelet-client"}, [2]string{"spare0", "kubelet-server"}, Kubernetes, Kubernetes, []string{"spare0"}},
	{"kubelet to apiserver", [2]string{"worker9", "kubelet-client"}, [2]string{"master0", "apiserver"}, Kubernetes, Kubernetes, []string{"127.0.0.1", "10.42.0.1", "10.42.255.254"}},
	{"controller-manager to apiserver", [2]string{"master1", "controller-manager"}, [2]string{"master1", "apiserver"}, Kubernetes, Kubernetes, []string{"127.0.0.1", "::1", "localhost"}},
	{"scheduler to apiserver", [2]string{"master1", "scheduler"}, [2]string{"master2", "apiserver"}, Kubernetes, Kubernetes, []string{"127.0.0.1"}},
	{"proxy to apiserver", [2]string{"edge0", "proxy"}, [2]string{"master2", "apiserver"}, Kubernetes, Kubernetes, []string{"127.0.0.1"}},
	{"dns to apiserver", [2]string{"spare1", "dns"}, [2]string{"master0", "apiserver"}, Kubernetes, Kubernetes, []string{"127.0.0.1"}},
	{"admin to apiserver", [2]string{"", "admin"}, [2]string{"master1", "apiserver"}, Kubernetes, Kubernetes, []string{
		"api.prod.example.com", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", "master1", "master1.prod.example.com", "10.42.0.2", "10.42.255.254", "10.96.0.1", "127.0.0.1", "::1",
	}},
	{"break-glass to apiserver", [2]string{"", "break-glass"}, [2]string{"master0", "apiserver"}, Kubernetes, Kubernetes, []string{"192.0.2.10"}},
	{"apiserver to extension API server", [2]string{"master0", "front-proxy-client"}, [2]string{"worker9", "metrics"}, FrontProxy, Kubernetes, []string{"worker9"}},
	{"collector to metrics", [2]string{"", "admin"}, [2]string{"worker9", "metrics"}, Kubernetes, Kubernetes, []string{"10.42.0.5", "worker9.prod.example.com"}},
}

// side is one end of a connection.
type side struct {
	cert *Credential
	ca   []byte
	at   time.Time
}

func TestHandshakes(t *testing.T) {
	p := mustProd(t)
	other := func(a Authority) Authority {
		if a == Etcd {
			return Kubernetes
		}
		return Etcd
	}
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			for version, vname := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
				client := side{p.cred(t, pair.client[0], pair.client[1]), p.cas[pair.serverCA], now}
				server := side{p.cred(t, pair.server[0], pair.server[1]), p.cas[pair.clientCA], now}
				check := func(what, serverName, want string, c, s side) {
					t.Helper()
					switch err := handshake(t, c, s, serverName, version); {
					case want == "" && err != nil:
						t.Errorf("TLS %s: %s %q: %v", vname, what, serverName, err)
					case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
						t.Errorf("TLS %s: %s: got %v, want %q", vname, what, err, want)
					}
				}
				for _, name := range pair.serverName {
					check("good", name, "", client, server)
				}
				name := pair.serverName[0]
				check("wrong name", "other.example.com", "not other.example.com", client, server)
				check("wrong address", "203.0.113.1", "not 203.0.113.1", client, server)

				bad := client
				bad.ca = p.cas[other(pair.serverCA)]
				check("client trusts another authority", name, "client: tls: failed to verify certificate: x509: certificate signed by unknown authority", bad, server)
				bad = server
				bad.ca = p.cas[other(pair.clientCA)]
				check("server trusts another authority", name, "server: tls: failed to verify certificate: x509: certificate signed by unknown authority", client, bad)

				bad = client
				bad.at = now.Add(366 * 24 * time.Hour)
				check("server's certificate has ended", name, "client: tls: failed to verify certificate: x509: certificate has expired", bad, server)
				bad = server
				bad.at = now.Add(-time.Hour)
				check("client's certificate is not valid yet", name, "server: tls: failed to verify certificate: x509: certificate has expired or is not yet valid", client, bad)

				bad = client
				bad.cert = nil
				check("no client certificate", name, "server: tls: client didn't provide a certificate", bad, server)
				if serverOnly := map[Authority]string{Kubernetes: "apiserver", Etcd: ""}[pair.clientCA]; serverOnly != "" {
					bad.cert = p.cred(t, "master0", serverOnly)
					check("server certificate as client", name, "incompatible key usage", bad, server)
				}
				if clientOnly := map[Authority]string{Kubernetes: "scheduler", Etcd: "apiserver-etcd-client"}[pair.serverCA]; clientOnly != "" {
					bad = server
					bad.cert = p.cred(t, "master0", clientOnly)
					check("client certificate as server", name, "client: tls: failed to verify certificate: x509:", client, bad)
				}
			}
		})
	}
}

// handshake connects the two over loopback and gives what either end says.
func handshake(t *testing.T, client, server side, name string, version uint16) error {
	t.Helper()
	c, s := connection(t)
	defer func() { _, _ = c.Close(), s.Close() }()
	sc := &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(server.ca), MinVersion: version, MaxVersion: version,
		Time: func() time.Time { return server.at }, Certificates: []tls.Certificate{keyPair(server.cert)},
	}
	cc := &tls.Config{
		RootCAs: pool(client.ca), ServerName: name, MinVersion: version, MaxVersion: version,
		Time: func() time.Time { return client.at },
		// Shown whatever authorities the server names.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if client.cert == nil {
				return &tls.Certificate{}, nil
			}
			pair := keyPair(client.cert)
			return &pair, nil
		},
	}
	end := func(who string, conn *tls.Conn) error {
		if err := conn.Handshake(); err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
		return nil
	}
	served := make(chan error, 1)
	go func() { served <- end("server", tls.Server(s, sc)) }()
	return errors.Join(end("client", tls.Client(c, cc)), <-served)
}

// connection makes both ends of a TCP connection on loopback.
func connection(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	_, _ = client.SetDeadline(deadline), server.SetDeadline(deadline)
	return client, server
}

func keyPair(c *Credential) tls.Certificate {
	pair, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		panic(err) // a test that cannot go on
	}
	return pair
}

func pool(ca []byte) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(ca)
	return p
}
