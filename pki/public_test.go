package pki

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	if err := os.Remove(f.identityPath()); err != nil { // nothing must be decrypted
		t.Fatal(err)
	}
	got, err := f.Public()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.CAs) != len(Authorities()) || len(got.MeshKeys) != 2 {
		t.Errorf("got %d authorities and %d mesh keys, want 3 and 2", len(got.CAs), len(got.MeshKeys))
	}
	for _, a := range Authorities() {
		cert, err := f.AuthorityCert(a)
		if err != nil {
			t.Fatal(err)
		}
		block, rest := pem.Decode(got.CAs[a])
		if block == nil || block.Type != pemCert || len(rest) > 0 || !bytes.Equal(block.Bytes, cert.Raw) {
			t.Errorf("authority %s: got %s", a, got.CAs[a])
		}
	}
	for _, name := range []string{"m0", "w0"} {
		if key, err := f.MeshPublicKey(name); err != nil || !bytes.Equal(key, got.MeshKeys[name]) {
			t.Errorf("mesh key of %s: %s (%v)", name, got.MeshKeys[name], err)
		}
	}
}

func TestPublicNotIssued(t *testing.T) {
	f := newFixture(t, small)
	_, err := f.Public()
	var missing *NotIssuedError
	if !errors.As(err, &missing) || !slices.Equal(missing.Authorities, Authorities()) || !slices.Equal(missing.Nodes, []string{"m0", "w0"}) {
		t.Errorf("of an empty store: %v", err)
	}
	f.ensure()
	if err := os.Remove(filepath.Join(f.c.Dir, "pki", "nodes", "w0.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Public(); err == nil || !strings.Contains(err.Error(), `pki lacks the mesh key of "w0"; nothing`) {
		t.Errorf("without w0: %v", err)
	}
	many := &NotIssuedError{Dir: "pki", Nodes: []string{"a", "b", "c", "d", "e", "f", "g"}}
	if got := many.Error(); !strings.Contains(got, `the mesh key of "e", those of 2 more;`) || strings.Contains(got, `"f"`) {
		t.Error(got)
	}
	damaged := filepath.Join(f.c.Dir, "pki", "authorities", "etcd.pem")
	if err := os.WriteFile(damaged, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Public(); err == nil || errors.As(err, &missing) || !strings.Contains(err.Error(), "etcd.pem") {
		t.Errorf("a damaged authority gives %v", err)
	}
}
