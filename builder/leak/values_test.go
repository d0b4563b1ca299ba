package leak

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// encodings are ways in which a value may lie in a file.
func encodings(value []byte) map[string]string {
	std := base64.StdEncoding
	lines := func(s string, width int) string {
		var b strings.Builder
		for len(s) > width {
			b.WriteString(s[:width] + "\n")
			s = s[width:]
		}
		return b.String() + s
	}
	out := map[string]string{"raw": string(value), "hex": hex.EncodeToString(value), "HEX": strings.ToUpper(hex.EncodeToString(value)), "url": base64.RawURLEncoding.EncodeToString(value)}
	for before := range 51 {
		out["base64 after "+string(rune('0'+before))] = lines(std.EncodeToString(append(bytes.Repeat([]byte{7}, before), value...)), 64)
	}
	return out
}

func TestValues(t *testing.T) {
	for _, size := range []int{32, 48, 200} {
		value := make([]byte, size)
		_, _ = rand.Read(value) // never fails
		c := Config{Secrets: []Secret{{"other", bytes.Repeat([]byte("other"), 5)}, {"encryption key", value}}}
		want := []Finding{{"/usr/lib/x", "secret of the cluster (encryption key)"}}
		for name, text := range encodings(value) {
			for _, offset := range []int{0, 3} {
				t.Run(name, func(t *testing.T) {
					expect(t, c, want, plant{path: "/usr/lib/x", content: strings.Repeat("-", offset) + text + "--"})
				})
			}
		}
		// Where two chunks meet.
		for at := small + overlap - 80; at < small+overlap+8; at += 11 {
			expect(t, c, want, plant{path: "/usr/lib/x", content: strings.Repeat("-", at) + string(value) + strings.Repeat("-", 2*small)})
		}
	}
	err := Scan(t.Context(), tree(t), Config{Secrets: []Secret{{"pin", []byte("short")}}})
	if err == nil || !strings.Contains(err.Error(), "secret pin: its value has 5 bytes, fewer than 16") {
		t.Errorf("got %v", err)
	}
}

// TestKeyValues looks for a key without the words around it, by the part of it
// that is in every encoding.
func TestKeyValues(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := p256.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		key   crypto.Signer
		value []byte
	}{{p256, scalar}, {rsaKey, rsaKey.Primes[0].Bytes()}} {
		der, err := x509.MarshalPKCS8PrivateKey(tt.key)
		if err != nil {
			t.Fatal(err)
		}
		public, err := x509.MarshalPKIXPublicKey(tt.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Secrets: []Secret{{"lab0 kubelet", tt.value}}}
		text := base64.StdEncoding.EncodeToString(der)
		for _, content := range []string{text, "--" + string(der), hex.EncodeToString(der), base64.RawURLEncoding.EncodeToString(der)} {
			expect(t, c, []Finding{{"/usr/lib/x", "secret of the cluster (lab0 kubelet)"}},
				plant{path: "/usr/lib/x", content: "x" + content}, plant{path: "/usr/lib/public", content: string(public)})
		}
	}
}
