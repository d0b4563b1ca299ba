package health_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingot-k8s/ingot/node/health"
)

// now is the clock of the machine.
var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// world is a controller whose parts all answer on loopback, with its files.
type world struct {
	root string
	conf health.Config

	etcd   atomic.Value // string: the answer of the member, or a status
	others atomic.Value // string: the answer of etcd's port of metrics
	api    atomic.Int32 // status of /readyz
	node   atomic.Value // string: the Node object
	kubelet, names,
	strange atomic.Bool // the kubelet is well; DNS answers; the API has another authority
	key *ecdsa.PrivateKey
	ca  *x509.Certificate
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{root: t.TempDir()}
	w.etcd.Store(`{"header":{"member_id":"77"},"version":"3.6.16","leader":"77"}`)
	w.others.Store(`{"health":"true","reason":""}`)
	w.api.Store(http.StatusOK)
	w.node.Store(`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
	w.kubelet.Store(true)
	w.names.Store(true)
	w.authority(t)
	w.issue(t, "etc/kubernetes/pki/kubelet-client", now.AddDate(1, 0, 0))
	w.issue(t, "etc/kubernetes/pki/apiserver-etcd-client", now.AddDate(0, 3, 0))
	w.put(t, "run/ingot/decision.json", `{"accepted":true,"image":{"id":"lab-0a1b2c3d"}}`)
	w.put(t, "run/ingot/addons.json", `{"applied":true}`)
	w.put(t, "run/systemd/timesync/synchronized", "")
	w.put(t, "var/here", "")

	apiserver := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/readyz":
			rw.WriteHeader(int(w.api.Load()))
		case r.URL.Path == "/api/v1/nodes/lab0" && len(r.TLS.PeerCertificates) == 1 && r.TLS.PeerCertificates[0].Subject.CommonName == "kubelet-client":
			_, _ = io.WriteString(rw, w.node.Load().(string))
		default:
			rw.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(rw, `{"kind":"Status","message":"not for you"}`)
		}
	})
	etcd := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		answer := w.etcd.Load().(string)
		if r.Method != http.MethodPost || len(r.TLS.PeerCertificates) != 1 || answer == "" {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(rw, answer)
	})
	metrics := plain(t, func(rw http.ResponseWriter, _ *http.Request) {
		answer := w.others.Load().(string)
		if !strings.Contains(answer, "true") {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(rw, answer)
	})
	kubelet := plain(t, func(rw http.ResponseWriter, _ *http.Request) {
		if !w.kubelet.Load() {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	})
	facts := map[string]any{
		"apiVersion": "ingot/v1", "kind": "Node", "cluster": "lab", "domain": "lab.example.com", "name": "lab0", "fqdn": "lab0.lab.example.com",
		"index": 1, "roles": []string{"controller", "worker"},
		"mesh":     map[string]any{"interface": "lo", "name": "lab0", "addresses": []string{"127.0.0.1"}},
		"services": map[string]any{"kubernetesIPs": []string{"10.96.0.1"}, "dnsIPs": []string{"127.0.0.1"}, "clusterDomain": "cluster.local"},
		"api": map[string]any{
			"vip": "127.0.0.1", "port": apiserver, "localURL": fmt.Sprintf("https://127.0.0.1:%d", apiserver),
			"controllers": []string{fmt.Sprintf("127.0.0.1:%d", apiserver)},
		},
		"etcd":  map[string]any{"endpoints": []string{fmt.Sprintf("https://127.0.0.1:%d", etcd)}, "metricsPort": metrics},
		"peers": []any{map[string]any{"name": "lab1", "addresses": []string{"127.0.0.2"}}},
	}
	data, err := json.Marshal(facts)
	must(t, err)
	w.put(t, "etc/ingot/node.json", string(data))
	w.conf = health.Config{
		Root: w.root, Now: func() time.Time { return now }, Uptime: func() time.Duration { return time.Hour },
		KubeletPort: kubelet, MeshPort: closed(t), DNSPort: w.dns(t),
		Statfs: room(60, 91),
	}
	return w
}

// room is a file system of 20 GB with so much of it free, in percent.
func room(bytes, inodes uint64) func(string, *unix.Statfs_t) error {
	return func(_ string, to *unix.Statfs_t) error {
		*to = unix.Statfs_t{Bsize: 4000, Blocks: 5_000_000, Bavail: 50_000 * bytes, Files: 1000, Ffree: 10 * inodes}
		return nil
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) put(t *testing.T, path, content string) {
	t.Helper()
	at := filepath.Join(w.root, path)
	must(t, os.MkdirAll(filepath.Dir(at), 0o755))
	must(t, os.WriteFile(at, []byte(content), 0o600))
}

func port(a net.Addr) int {
	_, p, _ := net.SplitHostPort(a.String())
	n, _ := strconv.Atoi(p)
	return n
}

// closed is a port at which nobody listens.
func closed(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	return port(l.Addr())
}

func plain(t *testing.T, h http.HandlerFunc) int {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return port(s.Listener.Addr())
}

// serve answers by TLS, with a certificate of the cluster or, while strange, of
// another one.
func (w *world) serve(t *testing.T, h http.HandlerFunc) int {
	t.Helper()
	own := w.issue(t, "server", now.AddDate(1, 0, 0))
	s := httptest.NewUnstartedServer(h)
	foreign, err := tls.X509KeyPair(selfSigned(t))
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(w.ca)
	s.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, Time: func() time.Time { return now },
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if w.strange.Load() {
				return &foreign, nil
			}
			return own, nil
		}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // what it says of bad certificates
	s.StartTLS()
	t.Cleanup(s.Close)
	return port(s.Listener.Addr())
}

// dns answers for the API's name (RFC 1035, section 4.1): every question for an
// address of IPv4, which is the only one that is asked.
func (w *world) dns(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	const asked = "\x0akubernetes\x07default\x03svc\x07cluster\x05local\x00"
	go func() {
		data := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(data)
			if err != nil {
				return
			}
			end := 12 + len(asked) + 4 // of the question; others may follow it
			if n < end || string(data[12:end-4]) != asked {
				continue
			}
			out := append([]byte{data[0], data[1], 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0}, data[12:end]...)
			switch {
			case !w.names.Load():
				out[3] = 2 // server failure
			case data[end-3] == 1:
				out[7] = 1
				out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 96, 0, 1)
			}
			_, _ = conn.WriteTo(out, from) // who asks may be gone
		}
	}()
	return port(conn.LocalAddr())
}

func (w *world) authority(t *testing.T) {
	t.Helper()
	var err error
	w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &w.key.PublicKey, w.key)
	must(t, err)
	w.ca, err = x509.ParseCertificate(der)
	must(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	w.put(t, "etc/kubernetes/pki/ca.crt", text)
	w.put(t, "etc/etcd/pki/ca.crt", text)
}

// issue makes a certificate below the root, for every use.
func (w *world) issue(t *testing.T, path string, until time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: filepath.Base(path)}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: until,
		DNSNames: []string{"kubernetes", "localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, w.ca, &key.PublicKey, w.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	cert, private := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	w.put(t, path+".crt", string(cert))
	w.put(t, path+".key", string(private))
	pair, err := tls.X509KeyPair(cert, private)
	must(t, err)
	return &pair
}

// selfSigned is a certificate that nobody here knows.
func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	other := &world{root: t.TempDir()}
	other.authority(t)
	other.issue(t, "server", now.AddDate(1, 0, 0))
	cert, err := os.ReadFile(filepath.Join(other.root, "server.crt"))
	must(t, err)
	key, err = os.ReadFile(filepath.Join(other.root, "server.key"))
	must(t, err)
	return cert, key
}
