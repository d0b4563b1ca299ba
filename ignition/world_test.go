package ignition_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/pki"
)

// world is a cluster with the key material of all its nodes, from a real store.
type world struct {
	cluster  *cluster.Cluster
	material map[string]*pki.Material
	peers    ignition.MeshPeers
}

// worlds keeps the world of each shipped cluster for all tests: keys cost time.
var worlds = struct {
	sync.Mutex
	byName map[string]*world
}{byName: map[string]*world{}}

// shipped is the world of a cluster that comes with the project.
func shipped(t testing.TB, name string) *world {
	t.Helper()
	worlds.Lock()
	defer worlds.Unlock()
	if w, ok := worlds.byName[name]; ok {
		return w
	}
	text, err := os.ReadFile(filepath.Join("..", "clusters", name, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, string(text))
	worlds.byName[name] = w
	return w
}

// newWorld loads a definition and issues everything for it.
func newWorld(t testing.TB, text string) *world {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "cluster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, report, err := cluster.Load(file)
	if err != nil {
		t.Fatalf("loading the definition: %v", err)
	}
	if report.HasErrors() {
		t.Fatal(report.Err())
	}
	store, err := pki.Open(c, pki.Options{ConfigDir: filepath.Join(dir, "config")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ensure(context.Background(), pki.EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	w := &world{cluster: c, material: map[string]*pki.Material{}, peers: ignition.MeshPeers{}}
	for i := range c.Nodes {
		name := c.Nodes[i].Name
		if w.material[name], err = store.Material(name); err != nil {
			t.Fatal(err)
		}
		if w.peers[name], err = store.MeshPublicKey(name); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) identity(t testing.TB, name string) *ignition.Identity {
	t.Helper()
	n, ok := w.cluster.Node(name)
	if !ok {
		t.Fatalf("no node %q", name)
	}
	id, err := ignition.New(w.cluster, n, w.material[name], w.peers)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// identities are those of all nodes and spares of the shipped clusters.
func identities(t testing.TB) []*ignition.Identity {
	t.Helper()
	var all []*ignition.Identity
	for _, name := range []string{"prod", "lab"} {
		w := shipped(t, name)
		for i := range w.cluster.Nodes {
			all = append(all, w.identity(t, w.cluster.Nodes[i].Name))
		}
	}
	return all
}

// both calls f for Ignition and for cloud-init.
func both(t *testing.T, id *ignition.Identity, f func(t *testing.T, id *ignition.Identity)) {
	t.Helper()
	for _, p := range []string{cluster.ProvisioningIgnition, cluster.ProvisioningCloudInit} {
		t.Run(id.Cluster+"/"+id.Node+"/"+p, func(t *testing.T) {
			other := *id
			other.Provisioning = p
			f(t, &other)
		})
	}
}

func outputs(t testing.TB, id *ignition.Identity) map[string][]byte {
	t.Helper()
	files, err := ignition.Outputs(id)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Data
	}
	return byName
}

func file(t testing.TB, id *ignition.Identity, path string) ignition.File {
	t.Helper()
	for _, f := range id.Files {
		if f.Path == path {
			return f
		}
	}
	t.Fatalf("node %q has no file %q", id.Node, path)
	return ignition.File{}
}

// leak is one secret number of an identity, with all forms in which it could
// stand in a log: as it is, in hex, and in base64 at each of the three
// alignments that it can have in something larger.
type leak struct {
	what  string
	forms []string
}

// leaks are the secrets of an identity: what only the holder of a private key
// has, the key for encryption at rest, and the bundle with all of them.
func leaks(t testing.TB, id *ignition.Identity) []leak {
	t.Helper()
	var out []leak
	add := func(what string, secret []byte) {
		l := leak{what: what, forms: []string{string(secret[:16]), hex.EncodeToString(secret[:16])}}
		for shift := range 3 {
			l.forms = append(l.forms, base64.StdEncoding.EncodeToString(secret[shift:shift+15]))
		}
		out = append(out, l)
	}
	for _, f := range id.Files {
		for block, rest := pem.Decode(f.Data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "RSA PRIVATE KEY" {
				key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				add(f.Path, key.D.Bytes())
				add(f.Path, key.Primes[0].Bytes())
			}
			if block.Type == "PRIVATE KEY" {
				key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				secret, err := key.(*ecdsa.PrivateKey).Bytes()
				if err != nil {
					t.Fatal(err)
				}
				add(f.Path, secret)
			}
		}
		if _, text, ok := strings.Cut(string(f.Data), "secret: "); ok && f.Path == "/etc/kubernetes/encryption.yaml" {
			key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text[:strings.Index(text, "\n")]))
			if err != nil {
				t.Fatal(err)
			}
			add(f.Path, key)
		}
	}
	bundle, err := id.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	add("the bundle", bundle[100:])
	if len(out) < 8 {
		t.Fatalf("node %q has only %d secrets: is this test of any worth?", id.Node, len(out))
	}
	return out
}

// leaked names the secrets that stand in a text, also where PEM or JSON has
// broken them into lines.
func leaked(secrets []leak, text string) []string {
	joined := strings.NewReplacer("\n", "", "\\n", "", " ", "").Replace(text)
	var found []string
	for _, l := range secrets {
		for _, form := range l.forms {
			if strings.Contains(text, form) || strings.Contains(joined, form) {
				found = append(found, l.what)
				break
			}
		}
	}
	return found
}
