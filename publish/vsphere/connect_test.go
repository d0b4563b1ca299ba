package vsphere

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// TestTrust has the server show a certificate that nobody knows, and says in
// all ways that it is the right one, or not.
func TestTrust(t *testing.T) {
	w := newWorld(t, simulator.ESX())
	ca := w.cfg.Trust.CAFile
	other := filepath.Join(w.dir, "other.pem")
	write(t, other, otherAuthority(t))
	sum := sha1.Sum(w.Certificate().Raw)
	wrong := strings.Repeat("AB:", 31) + "AB"
	for name, test := range map[string]struct {
		trust Trust
		want  string // in the error; empty for none
	}{
		"nothing":                    {Trust{}, "certificate signed by unknown authority"},
		"CA file":                    {Trust{CAFile: ca}, ""},
		"another CA file":            {Trust{CAFile: other}, "certificate signed by unknown authority"},
		"no CA file":                 {Trust{CAFile: filepath.Join(w.dir, "none")}, "reading the authority of the server: open"},
		"empty CA file":              {Trust{CAFile: os.DevNull}, "has no PEM certificate in it"},
		"thumbprint":                 {Trust{Thumbprint: w.Thumbprint()}, ""},
		"thumbprint in lower case":   {Trust{Thumbprint: strings.ToLower(strings.ReplaceAll(w.Thumbprint(), ":", ""))}, ""},
		"thumbprint of SHA-1":        {Trust{Thumbprint: hex.EncodeToString(sum[:])}, ""},
		"wrong thumbprint":           {Trust{Thumbprint: wrong}, "thumbprint does not match"},
		"wrong thumbprint, right CA": {Trust{CAFile: ca, Thumbprint: wrong}, "not that of the thumbprint"},
		"no thumbprint":              {Trust{Thumbprint: "12:34"}, "want the SHA-256 of a certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := w.cfg
			cfg.Trust = test.trust
			d, err := New(cfg)
			if err == nil {
				_, err = d.List(t.Context())
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
			var untrusted *UntrustedError
			if name == "nothing" && (!errors.As(err, &untrusted) || !strings.Contains(untrusted.Advice(), w.Thumbprint())) {
				t.Errorf("got %#v, want advice with the thumbprint", err)
			}
		})
	}
}

// otherAuthority is a certificate that has nothing to do with the server.
func otherAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}

// TestLogin has wrong and missing credentials.
func TestLogin(t *testing.T) {
	w := newWorld(t, simulator.ESX())
	for want, c := range map[string]Credentials{
		"wrong user or password":     {User: w.cfg.Credentials.User, Password: "wrong-" + w.cfg.Credentials.Password},
		"there is no GOVC_USERNAME":  {Password: w.cfg.Credentials.Password},
		"there is no GOVC_PASSWORD":  {User: w.cfg.Credentials.User},
		`logging in as "somebody": `: {User: "somebody", Password: w.cfg.Credentials.Password},
	} {
		cfg := w.cfg
		cfg.Credentials = c
		d, err := New(cfg)
		if err == nil {
			_, err = d.List(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), w.cfg.Credentials.Password) {
			t.Errorf("got %v, want %s, and no password", err, want)
		}
	}
	c := w.cfg.Credentials
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(text, c.Password) {
		t.Errorf("the password is in %s", text)
	}
}

// TestReadCredentials has files that are right and wrong.
func TestReadCredentials(t *testing.T) {
	const secret = "p4ss word=#"
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		want string // in the error; empty for none
	}{
		"plain":     {"GOVC_USERNAME=me\nGOVC_PASSWORD=" + secret + "\n", 0o600, ""},
		"quoted":    {"# of the lab\n\nexport GOVC_URL=x\nexport GOVC_USERNAME='me'\r\nGOVC_PASSWORD=\"" + secret + "\"", 0o400, ""},
		"open":      {"GOVC_USERNAME=me\nGOVC_PASSWORD=" + secret + "\n", 0o640, "has mode 0640: others may read it; want 0600"},
		"no user":   {"GOVC_PASSWORD=" + secret + "\n", 0o600, "there is no GOVC_USERNAME"},
		"no name":   {"GOVC_USERNAME=me\n\nsecretword\n", 0o600, ":3: want NAME=VALUE"},
		"long line": {"GOVC_USERNAME=" + strings.Repeat("x", 65<<10), 0o600, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials")
			write(t, path, []byte(test.text))
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			c, err := ReadCredentials(path)
			switch {
			case name == "long line":
				if err == nil {
					t.Error("a file of 65 KB was taken")
				}
			case test.want == "":
				if err != nil || c.User != "me" || c.Password != secret {
					t.Errorf("got %q, %q, %v", c.User, c.Password, err)
				}
			case err == nil || !strings.Contains(err.Error(), path+test.want) && !strings.Contains(err.Error(), test.want):
				t.Errorf("got %v, want %s", err, test.want)
			case strings.Contains(err.Error(), "secretword") || strings.Contains(err.Error(), secret):
				t.Errorf("a secret is in the error %v", err)
			}
		})
	}
}
