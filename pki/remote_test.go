package pki

import (
	"bytes"
	"fmt"
	"maps"
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

// remoteCluster is the small cluster with a remote signer.
const remoteCluster = small + `pki:
  remote: {url: "%s", labels: {front-proxy: front_proxy}, caFile: server-ca.pem, authKeyFile: auth.key}
`

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

// remoteFixture is a store whose authorities are on a signer host.
func remoteFixture(t *testing.T, h *signerHost, url string) *fixture {
	t.Helper()
	f := newFixture(t, small)
	for name, from := range map[string]string{"server-ca.pem": "tls-ca.pem", "auth.key": "auth.key"} {
		data, err := os.ReadFile(filepath.Join(h.dir, from))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(f.c.Dir, name), data)
	}
	f.reopen(f.c.Dir, fmt.Sprintf(remoteCluster, url), time.Now())
	return f
}

func TestMultirootca(t *testing.T) {
	h := newSignerHost(t)
	address, stop := h.multirootca(t)
	f := remoteFixture(t, h, "https://"+address)
	got := strings.Join(f.ensure(), "\n")
	if !strings.Contains(got, `authority etcd: pinned: "CN=remote etcd authority" of https://`+address) || !strings.Contains(got, "node m0: mesh key and 13 certificates issued") {
		t.Errorf("changes:\n%s", got)
	}
	for name, content := range snapshot(t, filepath.Join(f.dir, "authorities")) {
		if strings.Contains(content, "AGE ENCRYPTED") {
			t.Errorf("%s has a private key", name)
		}
	}
	m, err := f.Material("m0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Credentials {
		if c.Cert.SerialNumber.BitLen() > 128 || !c.Cert.NotAfter.Equal(f.o.Now.UTC().Truncate(time.Second).Add(f.lifetime())) {
			t.Errorf("%s: the server did not take serial number and dates from us", c.Name)
		}
	}
	cred, err := f.BreakGlass(t.Context(), time.Hour)
	if err != nil || cred.Cert.NotAfter.Sub(f.o.Now) > time.Hour {
		t.Errorf("break-glass: %v, error %v", cred, err)
	}
	stop()
	if got := f.ensure(); len(got) > 0 { // nothing to sign: no server needed
		t.Errorf("a second run: %q", got)
	}
	f.edit("192.0.2.10", "192.0.2.11")
	before := snapshot(t, f.c.Dir)
	if _, err := f.Ensure(t.Context(), EnsureOptions{}); err == nil || !strings.Contains(err.Error(), "remote signer https://"+address+": ") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a server that is down gives: %v", err)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Error("a run with an error changed the folder")
	}
}

func TestMultirootcaFaults(t *testing.T) {
	h := newSignerHost(t)
	address, _ := h.multirootca(t)
	tests := map[string]struct {
		file, content, want string
		mode                os.FileMode
	}{
		"wrong auth key":      {"auth.key", strings.Repeat("00", 32), "invalid token", 0o600},
		"empty auth key":      {"auth.key", "", "not hexadecimal with at least 16 bytes", 0o600},
		"auth key elsewhere":  {"auth.key", "file:/etc/hostname", "not hexadecimal", 0o600},
		"auth key for all":    {"auth.key", h.authKey, "lets others read it; run: chmod 600", 0o644},
		"unknown server":      {"server-ca.pem", string(encodeCert(h.keys[Etcd].Cert)), "certificate signed by unknown authority", 0o600},
		"no certificate file": {"server-ca.pem", "none", "has no certificate in it", 0o600},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := remoteFixture(t, h, "https://"+address)
			path := filepath.Join(f.c.Dir, test.file)
			writeFile(t, path, []byte(test.content))
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := f.Ensure(t.Context(), EnsureOptions{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if test.file == "auth.key" && err != nil && strings.Contains(err.Error(), h.authKey) {
				t.Errorf("the error shows the key: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(f.dir, "nodes", "*")); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
	t.Run("label that the server does not have", func(t *testing.T) {
		f := remoteFixture(t, h, "https://"+address)
		f.edit("labels: {front-proxy: front_proxy}, ", "")
		_, err := f.Ensure(t.Context(), EnsureOptions{})
		if err == nil || !strings.Contains(err.Error(), `fetching authority "front-proxy" (label "front-proxy")`) || !strings.Contains(err.Error(), "bad label") {
			t.Errorf("got %v", err)
		}
	})
}

// An authority that changes on the server is not taken over in silence.
func TestRemoteAuthorityChanged(t *testing.T) {
	h := newSignerHost(t)
	address, stop := h.multirootca(t)
	f := remoteFixture(t, h, "https://"+address)
	f.ensure()
	stop()
	k, err := newAuthority("remote", Etcd, "ecdsa-p256", time.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h.save(t, "etcd", k)
	address, _ = h.multirootca(t)
	f.reopen(f.c.Dir, strings.Replace(fmt.Sprintf(remoteCluster, "https://"+address), "192.0.2.10", "192.0.2.11", 1), time.Now())
	before := snapshot(t, f.c.Dir)
	_, err = f.Ensure(t.Context(), EnsureOptions{})
	if err == nil || !strings.Contains(err.Error(), "not the one pinned in "+f.path("authorities/etcd")) {
		t.Errorf("got %v", err)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Error("the folder has changed")
	}
	f.reopen(f.c.Dir, small, time.Now())
	if _, err = f.Ensure(t.Context(), EnsureOptions{}); err == nil || !strings.Contains(err.Error(), "it is on a remote signer: set pki.remote") {
		t.Errorf("without pki.remote: %v", err)
	}
}
