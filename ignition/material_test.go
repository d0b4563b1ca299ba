package ignition_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/pki"
)

// world is a cluster with key material for all its nodes, made by hand.
type world struct {
	cluster  *cluster.Cluster
	material map[string]*pki.Material
	peers    ignition.MeshPeers
}

var epoch0 = time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC)

func load(t testing.TB, file string) *cluster.Cluster {
	t.Helper()
	c, report, err := cluster.Load(file)
	if err != nil {
		t.Fatalf("loading %s: %v %v", file, err, report)
	}
	return c
}

// worlds keeps one world of each shipped cluster for all tests: keys cost time.
var worlds sync.Map

func shipped(t testing.TB, name string) *world {
	t.Helper()
	v, _ := worlds.LoadOrStore(name, sync.OnceValue(func() *world {
		return newWorld(t, load(t, "../clusters/"+name+"/cluster.yaml"))
	}))
	return v.(func() *world)()
}

func newWorld(t testing.TB, c *cluster.Cluster) *world {
	t.Helper()
	w := &world{cluster: c, material: map[string]*pki.Material{}, peers: ignition.MeshPeers{}}
	cas := map[pki.Authority]*authority{}
	for _, a := range pki.Authorities() {
		cas[a] = newAuthority(t, string(a))
	}
	saKey, saPub := keyPEM(t, newECKey(t)), []byte(nil)
	key, err := x509.ParsePKCS8PrivateKey(mustPEM(t, saKey))
	if err != nil {
		t.Fatal(err)
	}
	saPub = publicPEM(t, &key.(*ecdsa.PrivateKey).PublicKey)
	encryption := make([]byte, 32)
	if _, err := rand.Read(encryption); err != nil {
		t.Fatal(err)
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		m := &pki.Material{CAs: map[pki.Authority][]byte{}}
		for a, ca := range cas {
			m.CAs[a] = ca.pem
		}
		for _, r := range pki.NodeRequests(c, n) {
			m.Credentials = append(m.Credentials, cas[r.Authority].issue(t, r))
		}
		if n.Has(cluster.Controller) {
			m.ServiceAccountKeyPEM, m.ServiceAccountPubPEM, m.EncryptionKey = saKey, saPub, encryption
		}
		m.Mesh = newMeshKey(t, c.Def.Mesh.KeyBits)
		w.material[n.Name], w.peers[n.Name] = m, m.Mesh.PublicPEM
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

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	name string
	pem  []byte
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key := newECKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "prod " + name},
		NotBefore: epoch0, NotAfter: epoch0.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, name: name, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) issue(t testing.TB, r pki.Request) pki.Credential {
	t.Helper()
	return a.issueUntil(t, r, epoch0.AddDate(1, 0, 0))
}

func (a *authority) issueUntil(t testing.TB, r pki.Request, end time.Time) pki.Credential {
	t.Helper()
	key := newECKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: r.CommonName, Organization: r.Organization},
		NotBefore: epoch0, NotAfter: end, DNSNames: r.DNSNames, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, ip := range r.IPs {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	if r.Usage != pki.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if r.Usage != pki.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pki.Credential{
		Name: r.Name, Authority: r.Authority, Cert: cert, KeyPEM: keyPEM(t, key),
		CertPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func keyPEM(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func publicPEM(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func mustPEM(t testing.TB, data []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("not PEM")
	}
	return block.Bytes
}

func newMeshKey(t testing.TB, bits int) pki.MeshKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return pki.MeshKey{
		PublicPEM:  pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)}),
		PrivatePEM: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}
}
