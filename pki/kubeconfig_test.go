package pki

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
	"go.yaml.in/yaml/v3"
)

func TestKubeconfig(t *testing.T) {
	p := mustProd(t)
	got, err := Kubeconfig(p.c, p.admin, "", p.cas[Kubernetes])
	if err != nil {
		t.Fatal(err)
	}
	again, err := Kubeconfig(p.c, p.admin, "https://api.prod.example.com:6443", p.cas[Kubernetes])
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("not the same bytes for the same input (error %v)", err)
	}
	text := strings.NewReplacer(
		base64Text(p.cas[Kubernetes]), "<CA>", base64Text(p.admin.CertPEM), "<CERT>", base64Text(p.admin.KeyPEM), "<KEY>",
	).Replace(string(got))
	golden.Check(t, filepath.Join("testdata", "kubeconfig.yaml"), []byte(text))

	for _, endpoint := range []string{"http://api:6443", "api:6443", "https://", "%"} {
		if _, err := Kubeconfig(p.c, p.admin, endpoint, p.cas[Kubernetes]); err == nil {
			t.Errorf("endpoint %q is accepted", endpoint)
		}
	}
	if _, err := Kubeconfig(p.c, p.admin, "", []byte("none")); err == nil {
		t.Error("a missing authority is accepted")
	}
}

// kubectl itself talks to a server that has the API server's certificate.
func TestKubectl(t *testing.T) {
	kubectl := need.Tool(t, "kubectl")
	f := newFixture(t, small)
	f.reopen(f.c.Dir, small, time.Now())
	f.ensure()
	m, err := f.Material("m0")
	if err != nil {
		t.Fatal(err)
	}
	cred, changes, err := f.Admin(t.Context(), "alice")
	if err != nil || len(changes) != 1 {
		t.Fatalf("admin: %q, error %v", texts(changes), err)
	}
	apiserver, _ := m.Credential("apiserver")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := r.TLS.PeerCertificates[0].Subject
		_, _ = fmt.Fprintf(w, "user %s of %s", s.CommonName, s.Organization)
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{keyPair(apiserver)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool(m.CAs[Kubernetes]),
	}
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	endpoint := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	config, err := Kubeconfig(f.c, cred, endpoint, m.CAs[Kubernetes])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	writeFile(t, file, config)
	if got := command(t, kubectl, "--kubeconfig", file, "get", "--raw", "/whoami"); got != "user alice of [ingot:admins]" {
		t.Errorf("kubectl got %q", got)
	}

	existing := "apiVersion: v1\nkind: Config\ncurrent-context: mine\ncontexts: [{name: mine, context: {cluster: mine, user: me}}]\n" +
		"clusters: [{name: mine, cluster: {server: 'https://mine.example.com'}}]\nusers: [{name: me, user: {token: abc}}]\n"
	merged, err := MergeKubeconfig([]byte(existing), config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, merged)
	if got := command(t, kubectl, "--kubeconfig", file, "config", "get-contexts", "-o", "name"); got != "mine\nsmall-alice\n" {
		t.Errorf("contexts: %q", got)
	}
	if got := command(t, kubectl, "--kubeconfig", file, "config", "current-context"); got != "mine\n" {
		t.Errorf("current context: %q", got)
	}
	if got := command(t, kubectl, "--kubeconfig", file, "--context", "small-alice", "get", "--raw", "/"); !strings.HasPrefix(got, "user alice") {
		t.Errorf("kubectl got %q", got)
	}
}

const theirs = `# my clusters
apiVersion: v1
kind: Config
current-context: home # the default
preferences: {colors: true}
x-unknown: {a: [1, 2]}
clusters:
- name: home
  cluster: {server: https://home.example.com} # at home
- name: prod
  cluster: {server: https://old.example.com, insecure-skip-tls-verify: true}
users:
- name: me
  user:
    exec: {command: login, apiVersion: client.authentication.k8s.io/v1}
contexts:
- name: prod-alice
  context: {cluster: old, user: old, namespace: shop}
- name: home
  context: {cluster: home, user: me}
- name: prod-alice
  context: {cluster: twice}
`

const ours = `apiVersion: v1
kind: Config
clusters:
- name: prod
  cluster: {server: "https://new.example.com", certificate-authority-data: Q0E=}
users:
- name: prod-alice
  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
contexts:
- name: prod-alice
  context: {cluster: prod, user: prod-alice}
current-context: prod-alice
preferences: {}
`

func TestMergeKubeconfig(t *testing.T) {
	merged, err := MergeKubeconfig([]byte(theirs), []byte(ours))
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "merged.yaml"), merged)
	again, err := MergeKubeconfig(merged, []byte(ours))
	if err != nil || !bytes.Equal(merged, again) {
		t.Errorf("merging again changes something (error %v):\n%s", err, again)
	}
}

func TestMergeKubeconfigForms(t *testing.T) {
	for name, existing := range map[string]string{
		"empty":         "",
		"only comments": "# nothing yet\n",
		"open comment":  "# nothing yet",
		"indented end":  "# nothing yet\r  ",
		"null lists":    "apiVersion: v1\nkind: Config\nclusters: null\nusers: []\ncontexts:\ncurrent-context: \"\"\n",
		"no lists":      "apiVersion: v1\nkind: Config\n",
		"json":          `{"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [{"name": "me", "user": {}}], "contexts": null}`,
	} {
		merged, err := MergeKubeconfig([]byte(existing), []byte(ours))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var k kubeconfigText
		if err := yaml.Unmarshal(merged, &k); err != nil {
			t.Errorf("%s: %v\n%s", name, err, merged)
			continue
		}
		last := len(k.Users) - 1
		if k.Current != "prod-alice" || len(k.Clusters) != 1 || len(k.Contexts) != 1 || last < 0 || k.Users[last].Name != "prod-alice" {
			t.Errorf("%s: merged into\n%s", name, merged)
		}
		if !strings.HasPrefix(string(merged), existing[:min(len(existing), 10)]) {
			t.Errorf("%s: the beginning is gone:\n%s", name, merged)
		}
	}
	for name, existing := range map[string]string{
		"not YAML": "{", "another kind": "kind: Pod\n", "a list": "[]", "two documents": "kind: Config\n---\nkind: Config\n",
		"clusters no list": "kind: Config\nclusters: {}\n",
		"anchor replaced":  "kind: Config\nusers: [{name: prod-alice, user: &me {token: a}}, {name: other, user: *me}]\n",
	} {
		if merged, err := MergeKubeconfig([]byte(existing), []byte(ours)); err == nil || !strings.Contains(err.Error(), "the existing one") {
			t.Errorf("%s: got %v and\n%s", name, err, merged)
		}
	}
}

type kubeconfigText struct {
	Current                   string `yaml:"current-context"`
	Clusters, Users, Contexts []struct{ Name string }
}

// A file that someone else wrote may be anything: merging must not panic, and
// what it writes must be a kubeconfig again.
func FuzzMergeKubeconfig(f *testing.F) {
	f.Add(theirs)
	f.Add("kind: Config\nusers: [1, {name: [a]}, &x {name: prod-alice}, *x]\n")
	f.Add("contexts: [{name: prod-alice}, {name: prod-alice, context: 1}]\n")
	f.Fuzz(func(t *testing.T, existing string) {
		merged, err := MergeKubeconfig([]byte(existing), []byte(ours))
		if err != nil {
			return
		}
		if _, err := parseKubeconfig(merged); err != nil {
			t.Errorf("merged into something else: %v\n%s", err, merged)
		}
	})
}
