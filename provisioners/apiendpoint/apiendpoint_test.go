package apiendpoint_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

const configPath = "/usr/lib/ingot/apiendpoint/haproxy.cfg"

func TestLayer(t *testing.T) { sample.Golden(t, apiendpoint.Layer) }

func TestUnit(t *testing.T) {
	l := apiendpoint.Layer(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Exposure(t, l, apiendpoint.Unit, 1.2)
	sample.Exposure(t, l, apiendpoint.ReadyUnit, 1.5)
}

// TestConfig has haproxy itself read the configuration for each cluster.
func TestConfig(t *testing.T) {
	haproxy := need.Tool(t, "haproxy")
	ca, _ := authority(t)
	for _, name := range sample.Names() {
		text := string(sample.File(t, apiendpoint.Layer(sample.Cluster(t, name)), configPath))
		file := write(t, "haproxy.cfg", strings.ReplaceAll(text, "/usr/lib/ingot/pki/kubernetes.crt", ca))
		if out, err := exec.Command(haproxy, "-c", "-f", file).CombinedOutput(); err != nil || strings.Contains(string(out), "WARNING") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestFailover has haproxy stand before two servers, one of which stops being
// ready: its connections end, and new ones go to the other. A third server with
// a certificate of somebody else is never asked.
func TestFailover(t *testing.T) {
	haproxy := need.Tool(t, "haproxy")
	ca, cert := authority(t)
	_, strange := authority(t)
	servers := []*server{serve(t, "one", cert), serve(t, "two", cert), serve(t, "strange", strange)}
	port := freePort(t)
	text := string(sample.File(t, apiendpoint.Layer(sample.Cluster(t, "lab")), configPath))
	replace := []string{"/usr/lib/ingot/pki/kubernetes.crt", ca, "127.0.0.1:7443", fmt.Sprintf("127.0.0.1:%d", port), "inter 3s", "inter 500ms"}
	for i, s := range servers {
		replace = append(replace, fmt.Sprintf("10.42.0.%d:6443", i+1), s.Listener.Addr().String())
	}
	file := write(t, "haproxy.cfg", strings.NewReplacer(replace...).Replace(text))
	cmd := exec.Command(haproxy, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	roots := x509.NewCertPool()
	pemBytes, err := os.ReadFile(ca)
	if err != nil || !roots.AppendCertsFromPEM(pemBytes) {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "kubernetes"}, DisableKeepAlives: true,
	}}
	url := fmt.Sprintf("https://127.0.0.1:%d/who", port)
	until(t, "one", func() bool { return ask(client, url)["one"] > 0 })
	until(t, "only one and two", func() bool {
		got := ask(client, url)
		return got["one"] > 0 && got["two"] > 0 && got["strange"] == 0 && got["error"] == 0
	})
	kept, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: roots, ServerName: "kubernetes"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	for _, s := range servers[:2] {
		s.unready.Store(true)
	}
	until(t, "nobody", func() bool { return ask(client, url)["error"] > 5 })
	_ = kept.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := kept.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("a connection to a server that is not ready stays: %v", err)
	}
	servers[1].unready.Store(false)
	until(t, "two alone", func() bool { got := ask(client, url); return got["two"] == 10 })
}

// ask asks ten times and counts who answered.
func ask(client *http.Client, url string) map[string]int {
	got := map[string]int{}
	for range 10 {
		name := "error"
		if r, err := client.Get(url); err == nil {
			data, _ := io.ReadAll(r.Body)
			_ = r.Body.Close()
			name = string(data)
		}
		got[name]++
	}
	return got
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never got to: %s", what)
		}
	}
}

type server struct {
	*httptest.Server
	unready atomic.Bool
}

func serve(t *testing.T, name string, cert tls.Certificate) *server {
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/readyz" && s.unready.Load():
			http.Error(w, "not ready", http.StatusInternalServerError)
		case r.URL.Path == "/readyz":
			_, _ = io.WriteString(w, "ok")
		default:
			_, _ = io.WriteString(w, name)
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// authority makes an authority, whose certificate is in a file, and a server's
// certificate of it.
func authority(t *testing.T) (file string, leaf tls.Certificate) {
	t.Helper()
	caKey, ca := sign(t, &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	key, cert := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"kubernetes"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey)
	file = write(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})))
	return file, tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func sign(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.Subject.CommonName = fmt.Sprint("test ", template.SerialNumber)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
