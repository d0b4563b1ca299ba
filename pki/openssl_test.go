package pki

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// TestOpenSSL has OpenSSL verify every certificate against every authority,
// as client and as server. It must hold for its own and for nothing else.
func TestOpenSSL(t *testing.T) {
	openssl := need.Tool(t, "openssl")
	p := mustProd(t)
	dir := t.TempDir()
	file := map[string]named{}
	var files []string
	for _, n := range p.all() {
		path := filepath.Join(dir, n.name+".pem")
		writeFile(t, path, n.cred.CertPEM)
		file[path], files = n, append(files, path)
	}
	for _, a := range Authorities() {
		ca := filepath.Join(dir, "ca-"+string(a))
		writeFile(t, ca, p.cas[a])
		for _, purpose := range []Usage{Client, Server} {
			args := append([]string{
				"verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-CAfile", ca, "-purpose", "ssl" + string(purpose),
				"-attime", strconv.FormatInt(now.Unix(), 10),
			}, files...)
			out, _ := exec.Command(openssl, args...).CombinedOutput() // fails for those that must fail
			for _, path := range files {
				n := file[path]
				got := bytes.Contains(out, []byte(path+": OK\n"))
				want := n.req.Authority == a && (n.req.Usage == purpose || n.req.Usage == Peer)
				if got != want {
					t.Errorf("%s with authority %s as %s: ok is %v, want %v", n.name, a, purpose, got, want)
				}
			}
			if t.Failed() {
				t.Fatalf("openssl says:\n%s", out)
			}
		}
		// The authority itself, and that it signs no other authority.
		text := command(t, openssl, "x509", "-in", ca, "-noout", "-text")
		for _, want := range []string{"X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"} {
			if !strings.Contains(text, want) {
				t.Errorf("authority %s: no %q in\n%s", a, want, text)
			}
		}
		out := command(t, openssl, "verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-attime", strconv.FormatInt(now.Unix(), 10), "-CAfile", ca, ca)
		if out != ca+": OK\n" {
			t.Errorf("authority %s: %s", a, out)
		}
	}
}

// Keys are in forms that OpenSSL reads.
func TestOpenSSLKeys(t *testing.T) {
	openssl := need.Tool(t, "openssl")
	m := mustProd(t).nodes["master0"]
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"pkcs8": m.Credentials[0].KeyPEM, "sa": m.ServiceAccountKeyPEM, "mesh": m.Mesh.PrivatePEM,
	} {
		path := filepath.Join(dir, name)
		writeFile(t, path, data)
		command(t, openssl, "pkey", "-in", path, "-noout", "-check")
	}
	public := filepath.Join(dir, "mesh.pub")
	writeFile(t, public, m.Mesh.PublicPEM)
	command(t, openssl, "rsa", "-RSAPublicKey_in", "-in", public, "-noout")
	sa := filepath.Join(dir, "sa.pub")
	writeFile(t, sa, m.ServiceAccountPubPEM)
	command(t, openssl, "pkey", "-pubin", "-in", sa, "-noout")
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// command runs a program that must succeed.
func command(t testing.TB, argv ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s%s", argv, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}
