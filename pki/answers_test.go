package pki

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"
)

func newRemote(t *testing.T, url string, roots *x509.CertPool) *RemoteIssuer {
	t.Helper()
	iss, err := NewRemoteIssuer(RemoteConfig{
		URL: url, AuthKey: strings.Repeat("5e", 32), RootCAs: roots,
		Labels: map[Authority]string{Kubernetes: "kubernetes", Etcd: "etcd", FrontProxy: "front_proxy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return iss
}

// A server that answers with nonsense, or with another authority's names, or
// not at all, gives an error.
func TestRemoteAnswers(t *testing.T) {
	k, err := newAuthority("small", Etcd, "ecdsa-p256", time.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(w http.ResponseWriter, r *http.Request) { // signs whatever, for another name
		var body struct{ Request []byte }
		var req signer.SignRequest
		if json.NewDecoder(r.Body).Decode(&body) != nil || json.Unmarshal(body.Request, &req) != nil {
			return
		}
		req.Hosts = []string{"m1", "10.42.0.2"}
		s, err := local.NewSigner(k.Key, k.Cert, x509.ECDSAWithSHA256, &config.Signing{Profiles: profiles(), Default: closedProfile()})
		var cert []byte
		if err == nil {
			cert, err = s.Sign(req)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"success": err == nil, "result": map[string]string{"certificate": string(cert)}})
	}
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"other names":     {signed, "the signer did not do what was asked: SAN m0 missing; SAN 10.42.0.1 missing; SAN m1 not wanted"},
		"no JSON":         {answer("<html>"), "invalid character"},
		"other types":     {answer(`{"success": true, "result": {"certificate": 5}}`), "remote signer"},
		"nothing":         {answer(`{"success": true, "result": {}}`), "remote signer"},
		"an error":        {answer(`{"success": false, "errors": [{"code": 1, "message": "not today"}]}`), "not today"},
		"a page of error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, strings.Repeat("x", 1<<20), 500) }, "xxx..."},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(test.handler)
			defer server.Close()
			iss := newRemote(t, server.URL, pool(pem.EncodeToMemory(pemBlock(server.Certificate()))))
			_, err := issue(t.Context(), iss, etcdRequest(), "ecdsa-p256", k.Cert, time.Now(), time.Hour)
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 700 {
				t.Errorf("signing: got %v, want %q", err, test.want)
			}
			if _, err := iss.Authority(t.Context(), Etcd); err == nil { // none of these answers has one
				t.Error("fetching the authority: no error")
			}
		})
	}
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer silent.Close()
	defer close(over)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := newRemote(t, silent.URL, nil).Authority(ctx, Etcd); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server gives %v", err)
	}
}

func TestServerURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://ca.example.com:8888": "https://ca.example.com:8888", "https://ca.example.com:8888/": "https://ca.example.com:8888",
		"http://127.0.0.1:8888": "http://127.0.0.1:8888", "http://[::1]:8888": "http://[::1]:8888", "http://localhost:1": "http://localhost:1",
		"http://ca.example.com:8888": "", "https://ca/path": "", "https://a,b": "", "ca:8888": "", "https://": "", "": "",
		"https://user:pass@ca:1": "", "https://ca:1?x=y": "", "unix:///x": "",
	} {
		got, err := checkServerURL(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q gives %q, error %v", in, got, err)
		}
	}
}
