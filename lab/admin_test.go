package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pair is a certificate with its key, signed by itself.
func pair(t *testing.T, name string) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// controller is an API server that only its client's certificate opens.
type controller struct {
	*httptest.Server
	answers map[string]string // by path; status and body, with a space between
}

// world is a kubeconfig, and API servers that it is for.
func world(t *testing.T, n int) (string, []*controller) {
	t.Helper()
	serverCert, serverKey := pair(t, "kube-apiserver")
	clientCert, clientKey := pair(t, "admin")
	tlsPair, err := tls.X509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(clientCert)
	var out []*controller
	for range n {
		c := &controller{answers: map[string]string{"/readyz": "200 ok"}}
		c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, body := 404, ""
			if text, ok := c.answers[r.URL.Path]; ok {
				_, _ = fmt.Sscan(text, &status)
				_, body, _ = strings.Cut(text, " ")
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		c.TLS = &tls.Config{Certificates: []tls.Certificate{tlsPair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
		c.Config.ErrorLog = log.New(io.Discard, "", 0)
		c.StartTLS()
		t.Cleanup(c.Close)
		out = append(out, c)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: https://api.lab.example.com:6443
    certificate-authority-data: %s
users:
- name: lab-admin
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: lab-admin
  context:
    cluster: lab
    user: lab-admin
current-context: lab-admin
`, b64(serverCert), b64(clientCert), b64(clientKey)), out
}

func (c *controller) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", c.Listener.Addr().String())
}

func TestAdmin(t *testing.T) {
	text, controllers := world(t, 1)
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := readAdmin(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.write(to, "https://127.0.0.1:16443"); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Replace(text, "https://api.lab.example.com:6443", "https://127.0.0.1:16443", 1), string(written)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(to); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	api := controllers[0]
	c := a.client("lab0", api.dial)
	defer c.close()
	if answer := c.ask(t.Context()); answer != answerOK {
		t.Errorf("the API server answers %q", answer)
	}
	api.answers["/readyz"] = "500 [-]etcd failed: reason withheld\n"
	if answer := c.ask(t.Context()); answer != "500 Internal Server Error" {
		t.Errorf("the API server answers %q", answer)
	}
	api.answers["/api/v1/nodes"] = `403 {"kind": "Status", "message": "nodes is forbidden"}`
	if _, err := c.nodes(t.Context()); err == nil || err.Error() != "403 Forbidden: nodes is forbidden" {
		t.Errorf("listing the nodes: %v", err)
	}
	api.answers["/api/v1/nodes"] = `200 {"items": [
		{"metadata": {"name": "lab0"}, "status": {"nodeInfo": {"bootID": "b1"}, "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}},
		{"metadata": {"name": "lab1"}, "status": {}}]}`
	nodes, err := c.nodes(t.Context())
	want := map[string]nodeState{"lab0": {"True", "b1"}, "lab1": {"Unknown", ""}}
	if err != nil || !cmp.Equal(nodes, want, cmp.AllowUnexported(nodeState{})) {
		t.Errorf("the nodes are %v, %v", nodes, err)
	}
	api.Close()
	if answer := c.ask(t.Context()); answer != "connection refused" {
		t.Errorf("of an API server that is gone: %q", answer)
	}
}

func TestAdminRefuses(t *testing.T) {
	text, _ := world(t, 1)
	other, _ := world(t, 1)
	otherKey, key := keyOf(t, other), keyOf(t, text)
	for name, c := range map[string]struct{ text, want string }{
		"not YAML":        {"\t", "found character"},
		"empty":           {"{}", "it has 0 clusters and 0 users, want one of each"},
		"another key":     {strings.Replace(text, key, otherKey, 1), "private key does not match"},
		"no server":       {strings.Replace(text, "server:", "other:", 1), "its cluster has no server"},
		"no authority":    {strings.Replace(text, "certificate-authority-data: ", "certificate-authority-data: #", 1), "no certificate of an authority"},
		"broken encoding": {strings.Replace(text, "client-key-data: ", "client-key-data: =", 1), "illegal base64"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readAdmin(file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// keyOf takes the client's key out of a kubeconfig.
func keyOf(t *testing.T, text string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "client-key-data: ")
	key, _, found := strings.Cut(rest, "\n")
	if !ok || !found {
		t.Fatal("the kubeconfig has no key")
	}
	return key
}
