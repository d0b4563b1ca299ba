package pki

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// What is looked for in images is in every key that the store gives out, in
// whatever form, and in nothing that it gives to everybody.
func TestSecrets(t *testing.T) {
	f := newFixture(t, small)
	if _, err := f.Ensure(t.Context(), EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	found, err := f.Secrets()
	if err != nil {
		t.Fatal(err)
	}
	in := func(data []byte) bool {
		for _, s := range found {
			if len(s.Value) < 32 {
				t.Fatalf("secret %q of %d bytes would be found anywhere", s.Name, len(s.Value))
			}
			if bytes.Contains(data, s.Value) {
				return true
			}
		}
		return false
	}
	for _, node := range []string{"m0", "w0"} {
		m, err := f.Material(node)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Credentials {
			key, _ := pem.Decode(c.KeyPEM)
			cert, _ := pem.Decode(c.CertPEM)
			if !in(key.Bytes) || in(cert.Bytes) {
				t.Errorf("%s of %s: not found in the key, or found in the certificate", c.Name, node)
			}
		}
		if node == "m0" {
			key, _ := pem.Decode(m.ServiceAccountKeyPEM)
			if !in(key.Bytes) || !in(m.EncryptionKey) {
				t.Error("the keys that controllers share are not found")
			}
		}
	}
	path := filepath.Join(f.dir, "nodes", "m0.pem")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if in(data) {
		t.Error("a secret stands in the store's file as it is")
	}
	if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Secrets(); err == nil {
		t.Error("a damaged store gives its secrets without an error: they would not be looked for")
	}
}
