package pki

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// etcdRequest is what the tests of this file ask for.
func etcdRequest() Request {
	return names{}.dns("m0").ip(netip.MustParseAddr("10.42.0.1")).server("etcd-server", Peer, Etcd, "m0")
}

// cfssl serve has one authority and no labels, and ignores the dates of a
// request: its profile must say the same.
func TestCfsslServe(t *testing.T) {
	h := newSignerHost(t)
	data, err := os.ReadFile(filepath.Join(h.dir, "tls-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(configuration string) *RemoteIssuer {
		address, _ := h.start(t, cfsslTool(t, "cfssl"), "serve", "-address", "127.0.0.1", "-port", "%s", "-ca", "etcd.crt", "-ca-key", "etcd.key",
			"-config", configuration, "-tls-cert", "tls.crt", "-tls-key", "tls.key", "-disable", "sign,newcert,newkey,init_ca,bundle,scan,/")
		return newRemote(t, "https://"+address, pool(data))
	}
	const year = 365 * 24 * time.Hour
	ca := h.keys[Etcd].Cert
	iss := serve("signer.json")
	if got, err := iss.Authority(t.Context(), Etcd); err != nil || !got.Equal(ca) {
		t.Errorf("authority %v, error %v", got, err)
	}
	cred, err := issue(t.Context(), iss, etcdRequest(), "ecdsa-p256", ca, time.Now(), year)
	if err != nil {
		t.Fatal(err)
	}
	if cred.Cert.SerialNumber.BitLen() > 128 {
		t.Error("the server did not take the serial number from us")
	}
	if _, err := issue(t.Context(), iss, etcdRequest(), "ecdsa-p256", ca, time.Now(), year/2); err == nil || !strings.Contains(err.Error(), "the signer did not do what was asked: valid until ") {
		t.Errorf("a lifetime that is not the server's gives %v", err)
	}

	// A server without our profiles: it signs with its default one, and says nothing.
	h.write(t, "open.json", []byte(`{"signing": {"default": {"usages": ["digital signature", "server auth"], "expiry": "8760h", "auth_key": "k"}},
		"auth_keys": {"k": {"type": "standard", "key": "file:auth.key"}}}`))
	_, err = issue(t.Context(), serve("open.json"), etcdRequest(), "ecdsa-p256", ca, time.Now(), year)
	if err == nil || !strings.Contains(err.Error(), "the signer did not do what was asked: usage is not that of a peer certificate") {
		t.Errorf("an unknown profile gives %v", err)
	}
	// One authority for all three is refused.
	f := remoteFixture(t, h, iss.cfg.URL)
	if _, err := f.Ensure(t.Context(), EnsureOptions{}); err == nil || !strings.Contains(err.Error(), "are one authority") {
		t.Errorf("one authority for all gives %v", err)
	}
}

// bent is a local signer that does not do what it is asked.
func bent(k AuthorityKey, change func(*x509.Certificate)) Issuer {
	return issuerFunc(func(_ context.Context, csrPEM []byte, r Request, from, to time.Time) ([]byte, error) {
		block, _ := pem.Decode(csrPEM)
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil {
			return nil, err
		}
		ku, eku, err := usages(r.Usage, csr.PublicKey)
		if err != nil {
			return nil, err
		}
		serial, err := newSerial()
		if err != nil {
			return nil, err
		}
		template := &x509.Certificate{
			SerialNumber: serial, NotBefore: from, NotAfter: to, KeyUsage: ku, ExtKeyUsage: eku,
			DNSNames: r.DNSNames, BasicConstraintsValid: true, PublicKey: csr.PublicKey,
		}
		template.Subject.CommonName, template.Subject.Organization = r.CommonName, r.Organization
		for _, a := range r.IPs {
			template.IPAddresses = append(template.IPAddresses, a.AsSlice())
		}
		change(template)
		der, err := x509.CreateCertificate(rand.Reader, template, k.Cert, template.PublicKey, k.Key)
		return pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: der}), err
	})
}

type issuerFunc func(ctx context.Context, csrPEM []byte, r Request, from, to time.Time) ([]byte, error)

func (f issuerFunc) Sign(ctx context.Context, csrPEM []byte, r Request, from, to time.Time) ([]byte, error) {
	return f(ctx, csrPEM, r, from, to)
}

// Whatever a signer does on its own is seen.
func TestVerifyIssued(t *testing.T) {
	k, err := newAuthority("small", Etcd, "ecdsa-p256", now, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := newAuthority("small", Etcd, "ecdsa-p256", now, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"as asked":          {func(*x509.Certificate) {}, ""},
		"other name":        {func(c *x509.Certificate) { c.DNSNames = []string{"evil"} }, "SAN m0 missing; SAN evil not wanted"},
		"further name":      {func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "evil") }, "SAN evil not wanted"},
		"name twice":        {func(c *x509.Certificate) { c.DNSNames = []string{"m0", "m0"} }, "a SAN stands twice"},
		"further address":   {func(c *x509.Certificate) { c.IPAddresses = append(c.IPAddresses, net.IPv4(1, 2, 3, 4)) }, "SAN 1.2.3.4 not wanted"},
		"mail address":      {func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.com"} }, "SAN email:a@example.com not wanted"},
		"organization":      {func(c *x509.Certificate) { c.Subject.Organization = []string{mastersGroup} }, `organization is ["system:masters"], not []`},
		"common name":       {func(c *x509.Certificate) { c.Subject.CommonName = "m1" }, `common name is "m1", not "m0"`},
		"more subject":      {func(c *x509.Certificate) { c.Subject.Country = []string{"DE"} }, "subject has more than"},
		"usage":             {func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }, "usage is not that of a peer"},
		"any usage":         {func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageAny) }, "usage is not that of a peer"},
		"key usage":         {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, "usage is not that of a peer"},
		"authority":         {func(c *x509.Certificate) { c.IsCA = true }, "it is an authority"},
		"small serial":      {func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) }, "serial number of 3 bits"},
		"longer":            {func(c *x509.Certificate) { c.NotAfter = now.Add(200 * 24 * time.Hour) }, "valid until"},
		"beyond the end":    {func(c *x509.Certificate) { c.NotAfter = k.Cert.NotAfter.Add(time.Second) }, "beyond its authority's end"},
		"not valid yet":     {func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, "valid from"},
		"valid long before": {func(c *x509.Certificate) { c.NotBefore = now.Add(-100 * 24 * time.Hour) }, "valid from"},
		"another key":       {func(c *x509.Certificate) { c.PublicKey = foreign.Key.Public() }, "it is for another key"},
	}
	for name, test := range tests {
		_, err := issue(t.Context(), bent(k, test.change), etcdRequest(), "ecdsa-p256", k.Cert, now, 90*24*time.Hour)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), "the signer did not do what was asked: ") || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	_, err = issue(t.Context(), bent(foreign, func(*x509.Certificate) {}), etcdRequest(), "ecdsa-p256", k.Cert, now, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "issued by another authority with the name") {
		t.Errorf("another authority: %v", err)
	}
	garbage := issuerFunc(func(context.Context, []byte, Request, time.Time, time.Time) ([]byte, error) {
		return []byte("none"), nil
	})
	if _, err = issue(t.Context(), garbage, etcdRequest(), "ecdsa-p256", k.Cert, now, time.Hour); err == nil || !strings.Contains(err.Error(), "not one PEM block") {
		t.Errorf("no certificate: %v", err)
	}
}

func TestLocalGuards(t *testing.T) {
	k, err := newAuthority("small", Etcd, "ecdsa-p256", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	iss, err := NewLocalIssuer(map[Authority]AuthorityKey{Etcd: k})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Request){
		`usage "signing" is not one of`: func(r *Request) { r.Usage = "signing" },
		`usage "" is not one of`:        func(r *Request) { r.Usage = "" },
		`no authority "kubernetes"`:     func(r *Request) { r.Authority = Kubernetes },
	} {
		r := etcdRequest()
		change(&r)
		if _, err := issue(t.Context(), iss, r, "ecdsa-p256", k.Cert, now, time.Hour); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := issue(t.Context(), iss, etcdRequest(), "ed25519", k.Cert, now, time.Hour); err == nil || !strings.Contains(err.Error(), `type "ed25519" is not one of`) {
		t.Errorf("key type: %v", err)
	}
	// A CSR that asks for more gets nothing of it.
	key, err := newKey("ecdsa-p256")
	if err != nil {
		t.Fatal(err)
	}
	greedy := &x509.CertificateRequest{DNSNames: []string{"evil"}, EmailAddresses: []string{"e@example.com"}}
	greedy.Subject.Organization = []string{mastersGroup}
	der, err := x509.CreateCertificateRequest(rand.Reader, greedy, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: der})
	for _, r := range []Request{etcdRequest(), client("scheduler", Etcd, "system:kube-scheduler")} {
		out, err := iss.Sign(t.Context(), csr, r, now, now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := parseCert(out)
		if err != nil {
			t.Fatal(err)
		}
		if d := differences(cert, r); len(d) > 0 {
			t.Errorf("%s: %q", r.Name, d)
		}
	}
	other, err := newKey("ecdsa-p256")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewLocalIssuer(map[Authority]AuthorityKey{Etcd: {k.Cert, other}}); err == nil {
		t.Error("a key of another certificate is accepted")
	}
}

// cfssl writes nothing on its own. Looked at from outside, in a process that
// issues certificates.
func TestQuiet(t *testing.T) {
	out, err := exec.Command(os.Args[0], "-test.run=^TestRenewNearEnd$", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestRenewNearEnd") || strings.Contains(string(out), "signed certificate") || strings.Contains(string(out), "[INFO]") {
		t.Errorf("error %v, output:\n%s", err, out)
	}
}
