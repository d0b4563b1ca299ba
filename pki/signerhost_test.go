package pki

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// cfsslTools builds cfssl's programs from the very module that this package
// is built with, in its own folder and with its own go.sum.
var cfsslTools = sync.OnceValues(func() (dir string, err error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudflare/cfssl").Output()
	if err != nil {
		return "", fmt.Errorf("finding cfssl: %w", err)
	}
	// Kept between runs: linking takes seconds. The name has the version.
	module := strings.TrimSpace(string(out))
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, "ingot-test", filepath.Base(module))
	cmd := exec.Command("go", "build", "-mod=readonly", "-trimpath", "-o", dir+"/", "./cmd/cfssl", "./cmd/cfssljson", "./cmd/multirootca")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cfssl: %w\n%s", err, out)
	}
	return dir, nil
})

func cfsslTool(t testing.TB, name string) string {
	t.Helper()
	dir, err := cfsslTools()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// signerHost is the machine with the authorities' keys: files for multirootca
// and cfssl serve, all in one folder.
type signerHost struct {
	dir     string
	keys    map[Authority]AuthorityKey
	authKey string
}

func newSignerHost(t *testing.T) *signerHost {
	t.Helper()
	h := &signerHost{dir: t.TempDir(), keys: map[Authority]AuthorityKey{}, authKey: strings.Repeat("5e", 32)}
	at := time.Now()
	var roots strings.Builder
	for _, a := range Authorities() {
		k, err := newAuthority("remote", a, "ecdsa-p256", at, 10*365*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		h.keys[a] = k
		h.save(t, string(a), k)
		label := strings.ReplaceAll(string(a), "-", "_")
		fmt.Fprintf(&roots, "[ %s ]\nprivate = file://%s/%s.key\ncertificate = %[2]s/%[3]s.crt\nconfig = %[2]s/signer.json\n", label, h.dir, a)
	}
	// The server's own TLS certificate is of an authority of its own.
	tlsCA, err := newAuthority("tls", Kubernetes, "ecdsa-p256", at, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	iss, err := NewLocalIssuer(map[Authority]AuthorityKey{Kubernetes: tlsCA})
	if err != nil {
		t.Fatal(err)
	}
	req := names{}.loopback().server("tls", Server, Kubernetes, "signer")
	cred, err := issue(t.Context(), iss, req, "ecdsa-p256", tlsCA.Cert, at, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "tls.crt", cred.CertPEM)
	h.write(t, "tls.key", cred.KeyPEM)
	h.write(t, "tls-ca.pem", encodeCert(tlsCA.Cert))
	h.write(t, "roots.conf", []byte(roots.String()))
	h.write(t, "auth.key", []byte(h.authKey+"\n"))
	config, err := SignerConfig(define(t, t.TempDir(), small))
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "signer.json", config)
	return h
}

func (h *signerHost) write(t *testing.T, name string, data []byte) {
	t.Helper()
	writeFile(t, filepath.Join(h.dir, name), data)
}

func (h *signerHost) save(t *testing.T, name string, k AuthorityKey) {
	t.Helper()
	block, err := encodeKey(k.Key)
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, name+".crt", encodeCert(k.Cert))
	h.write(t, name+".key", (secrets{{keyEntry, block}}).encode()) // headers are no trouble for cfssl
}

// start runs a server on loopback until the test ends; argv gets %s for the port.
func (h *signerHost) start(t *testing.T, argv ...string) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = l.Close()
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "%s", port)
	}
	var out bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = h.dir, &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(argv[0]), out.String())
		}
	})
	t.Cleanup(stop)
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return address, stop
		}
		select {
		case <-exited:
			t.Fatalf("%q ended:\n%s", argv, out.String())
		case <-time.After(25 * time.Millisecond):
		}
	}
	t.Fatalf("%q does not listen", argv)
	return "", nil
}

func (h *signerHost) multirootca(t *testing.T) (address string, stop func()) {
	return h.start(t, cfsslTool(t, "multirootca"), "-a", "127.0.0.1:%s", "-roots", "roots.conf", "-tls-cert", "tls.crt", "-tls-key", "tls.key")
}
