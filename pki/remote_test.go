package pki

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// remoteCluster is the small cluster with a remote signer.
const remoteCluster = small + `pki:
  remote: {url: "%s", caFile: server-ca.pem, authKeyFile: auth.key}
`

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
		f.edit("caFile:", "labels: {front-proxy: elsewhere}, caFile:")
		_, err := f.Ensure(t.Context(), EnsureOptions{})
		if err == nil || !strings.Contains(err.Error(), `fetching authority "front-proxy" (label "elsewhere")`) || !strings.Contains(err.Error(), "bad label") {
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
