package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
)

func TestEnsure(t *testing.T) {
	f := newFixture(t, small)
	got := f.ensure()
	want := []string{
		"identity " + f.identityPath() + ": made: the definition names no recipients; keep a copy of it in a safe place, nothing else opens the private keys",
		"authority kubernetes: made", "authority etcd: made", "authority front-proxy: made",
		"service account key: made", "encryption key: made",
		"node m0: mesh key and 13 certificates issued: new",
		"node w0: mesh key and 5 certificates issued: new",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes:\n got %q\nwant %q", got, want)
	}
	before := snapshot(t, f.c.Dir)
	for name, content := range before {
		if strings.Contains(content, "PRIVATE KEY") || strings.Contains(content, "AGE-SECRET") {
			t.Errorf("%s has a private key in the clear", name)
		}
		if mode, _, _ := strings.Cut(content, "\n"); name != "." && name != cluster.IndexesFile && !strings.HasSuffix(mode, "------") {
			t.Errorf("%s has mode %s", name, mode)
		}
	}
	if again := f.ensure(); len(again) > 0 {
		t.Errorf("a second run changed %q", again)
	}
	if after := snapshot(t, f.c.Dir); !maps.Equal(before, after) {
		t.Error("a second run changed the folder")
	}
}

func TestMaterial(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	for _, name := range []string{"m0", "w0"} {
		m, err := f.Material(name)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := f.c.Node(name)
		requests := NodeRequests(f.c, n)
		if len(m.Credentials) != len(requests) {
			t.Fatalf("%s: %d credentials for %d requests", name, len(m.Credentials), len(requests))
		}
		for i, r := range requests {
			c := m.Credentials[i]
			if c.Name != r.Name || c.Authority != r.Authority {
				t.Errorf("%s: credential %d is %s of %s, want %s of %s", name, i, c.Name, c.Authority, r.Name, r.Authority)
			}
			if d := differences(c.Cert, r); len(d) > 0 {
				t.Errorf("%s: %s: %q", name, r.Name, d)
			}
		}
		if public, err := f.MeshPublicKey(name); err != nil || !bytes.Equal(public, m.Mesh.PublicPEM) {
			t.Errorf("%s: mesh key of the clear part is another (error %v)", name, err)
		}
		if controller := name == "m0"; (m.ServiceAccountKeyPEM != nil) != controller || (m.ServiceAccountPubPEM != nil) != controller || len(m.EncryptionKey) == encryptionKeySize != controller {
			t.Errorf("%s: only controllers get the shared keys", name)
		}
	}
	f.edit("192.0.2.10", "192.0.2.11")
	if _, err := f.Material("m0"); err == nil || !strings.Contains(err.Error(), "certificate apiserver has to be issued again: SAN 192.0.2.11 missing") {
		t.Errorf("a definition that has changed gives %v", err)
	}
	if _, err := f.Material("nobody"); err == nil || !strings.Contains(err.Error(), `no node "nobody"`) {
		t.Errorf("an unknown node gives %v", err)
	}
}

func TestCertificateForm(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	m, err := f.Material("m0")
	if err != nil {
		t.Fatal(err)
	}
	serials := map[string]bool{}
	for _, c := range m.Credentials {
		cert := c.Cert
		if serials[cert.SerialNumber.String()] {
			t.Errorf("%s: its serial number is that of another", c.Name)
		}
		serials[cert.SerialNumber.String()] = true
		if cert.SerialNumber.BitLen() > 128 {
			t.Errorf("%s: serial number of %d bits", c.Name, cert.SerialNumber.BitLen())
		}
		if !cert.NotBefore.Equal(now.Add(-backdate)) || !cert.NotAfter.Equal(now.Add(f.lifetime())) {
			t.Errorf("%s: valid from %s to %s", c.Name, cert.NotBefore, cert.NotAfter)
		}
		if cert.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Errorf("%s: key usage %b of an ECDSA key", c.Name, cert.KeyUsage)
		}
		if cert.SignatureAlgorithm != x509.ECDSAWithSHA256 || len(cert.SubjectKeyId) == 0 {
			t.Errorf("%s: signature algorithm %s, subject key identifier %x", c.Name, cert.SignatureAlgorithm, cert.SubjectKeyId)
		}
		if !cert.BasicConstraintsValid || cert.IsCA {
			t.Errorf("%s: basic constraints", c.Name)
		}
	}
	for _, a := range Authorities() {
		ca, err := f.AuthorityCert(a)
		if err != nil {
			t.Fatal(err)
		}
		if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero || ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
			t.Errorf("%s: authority %v, path length %d, key usage %b", a, ca.IsCA, ca.MaxPathLen, ca.KeyUsage)
		}
		if !ca.NotAfter.Equal(now.Add(f.c.Def.PKI.CALifetime.Std())) || !ca.NotBefore.Equal(now.Add(-backdate)) {
			t.Errorf("%s: valid from %s to %s", a, ca.NotBefore, ca.NotAfter)
		}
		for _, e := range ca.Extensions {
			if e.Id.String() == "2.5.29.19" && !e.Critical {
				t.Errorf("%s: basic constraints are not critical", a)
			}
		}
	}
}

func TestEnsureSubset(t *testing.T) {
	f := newFixture(t, small)
	ctx := context.Background()
	if _, err := f.Ensure(ctx, EnsureOptions{Nodes: []string{"w0", "nobody"}}); err == nil {
		t.Error("an unknown node is no error")
	}
	var told []Change
	changes, err := f.Ensure(ctx, EnsureOptions{Nodes: []string{"w0"}, Progress: func(c Change) { told = append(told, c) }})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, changes) {
		t.Errorf("told %q, returned %q", told, changes)
	}
	if _, err := f.Material("w0"); err != nil {
		t.Error(err)
	}
	if _, err := f.Material("m0"); err == nil || !strings.Contains(err.Error(), `nothing has been issued for node "m0"`) {
		t.Errorf("a node that was not asked for gives %v", err)
	}
	if got := f.ensure(); len(got) != 1 || !strings.HasPrefix(got[0], "node m0: ") {
		t.Errorf("the rest: %q", got)
	}
}

func TestKeyTypes(t *testing.T) {
	for _, keyType := range keyTypes {
		if keyType == "rsa-3072" || keyType == "rsa-4096" {
			continue // take seconds each, and differ in a number only
		}
		t.Run(keyType, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, strings.Replace(small, "nodes:", "pki: {keyType: "+keyType+"}\nnodes:", 1))
			if _, err := f.Ensure(context.Background(), EnsureOptions{Nodes: []string{"w0"}}); err != nil {
				t.Fatal(err)
			}
			m, err := f.Material("w0")
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range m.Credentials {
				wantKU := x509.KeyUsageDigitalSignature
				if strings.HasPrefix(keyType, "rsa") {
					wantKU |= x509.KeyUsageKeyEncipherment
				}
				if c.Cert.KeyUsage != wantKU {
					t.Errorf("%s: key usage %b, want %b", c.Name, c.Cert.KeyUsage, wantKU)
				}
			}
		})
	}
}

func TestSpanClamped(t *testing.T) {
	ca := &x509.Certificate{NotBefore: now.Add(-time.Minute), NotAfter: now.Add(24 * time.Hour)}
	from, to := span(ca, now.Add(time.Millisecond), 48*time.Hour)
	if !from.Equal(ca.NotBefore) || !to.Equal(ca.NotAfter) {
		t.Errorf("from %s to %s, not within the authority's life", from, to)
	}
	if from, to = span(ca, now.Add(time.Hour+time.Millisecond), time.Hour); !from.Equal(now.Add(55*time.Minute)) || !to.Equal(now.Add(2*time.Hour)) {
		t.Errorf("from %s to %s", from, to)
	}
}

func TestOpenRefusesEndlessRenewal(t *testing.T) {
	c := define(t, t.TempDir(), small)
	c.Def.PKI.RenewBefore = c.Def.PKI.CertLifetime
	if _, err := Open(c, Options{ConfigDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "not shorter than pki.certLifetime") {
		t.Errorf("got %v", err)
	}
}
