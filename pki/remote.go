package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloudflare/cfssl/auth"
	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/info"
	"github.com/cloudflare/cfssl/signer/remote"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// remoteTimeout bounds one request to a remote signer. cfssl has no timeout of its own.
const remoteTimeout = 30 * time.Second

// minAuthKey is the least length of an authentication key in bytes. cfssl
// takes any, an empty one too.
const minAuthKey = 16

// RemoteConfig describes a cfssl server (cfssl serve or multirootca).
type RemoteConfig struct {
	URL     string               // https://host:port; http only on loopback
	Labels  map[Authority]string // the server's names of the authorities
	RootCAs *x509.CertPool       // who may have issued the server's own certificate; nil means the system's
	AuthKey string               // hexadecimal, at least 16 bytes
}

// RemoteIssuer has a cfssl server sign.
type RemoteIssuer struct {
	cfg      RemoteConfig
	provider auth.Provider
}

var _ Issuer = (*RemoteIssuer)(nil)

// NewRemoteIssuer checks a configuration. It does not connect yet.
func NewRemoteIssuer(cfg RemoteConfig) (*RemoteIssuer, error) {
	quiet()
	var err error
	if cfg.URL, err = checkServerURL(cfg.URL); err != nil {
		return nil, err
	}
	for _, a := range Authorities() {
		if cfg.Labels[a] == "" {
			return nil, fmt.Errorf("remote signer %s: no label for authority %q", cfg.URL, a)
		}
	}
	// Decoded here: cfssl would read "env:NAME" and "file:PATH" as orders to fetch the key from there.
	key, err := hex.DecodeString(cfg.AuthKey)
	if err != nil || len(key) < minAuthKey {
		return nil, fmt.Errorf("remote signer %s: the authentication key is not hexadecimal with at least %d bytes (openssl rand -hex 32)", cfg.URL, minAuthKey)
	}
	provider, err := auth.New(hex.EncodeToString(key), nil)
	if err != nil {
		return nil, fmt.Errorf("remote signer %s: the authentication key is not usable", cfg.URL)
	}
	return &RemoteIssuer{cfg: cfg, provider: provider}, nil
}

// checkServerURL refuses what cfssl's client would misread: it takes a path,
// even a lone slash, for the host, and a comma for a list of servers.
func checkServerURL(s string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(s, ",") {
		return "", fmt.Errorf("remote signer: %q is not a URL of the form https://host:port", s)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", fmt.Errorf("remote signer: %q: only https is allowed (http on loopback)", s)
	}
	return u.String(), nil
}

// client makes a signer for one request: cfssl's own carries no context, and
// is not made for use by several at once.
func (r *RemoteIssuer) client(ctx context.Context) (*remote.Signer, error) {
	s, err := remote.NewSigner(&config.Signing{Default: &config.SigningProfile{
		AuthRemote:     config.AuthRemote{RemoteName: "remote", AuthKeyName: "key"},
		RemoteServer:   r.cfg.URL,
		RemoteProvider: r.provider,
		RemoteCAs:      r.cfg.RootCAs,
	}})
	if err != nil {
		return nil, err
	}
	s.SetReqModifier(func(req *http.Request, _ []byte) { *req = *req.WithContext(ctx) })
	return s, nil
}

// Sign implements [Issuer].
func (r *RemoteIssuer) Sign(ctx context.Context, csrPEM []byte, q Request, notBefore, notAfter time.Time) ([]byte, error) {
	profile, err := profileFor(q.Usage, csrPEM)
	if err != nil {
		return nil, err
	}
	req, err := signRequest(csrPEM, q, profile, notBefore, notAfter)
	if err != nil {
		return nil, err
	}
	label, ok := r.cfg.Labels[q.Authority]
	if !ok {
		return nil, fmt.Errorf("no authority %q", q.Authority)
	}
	req.Label = label
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	var cert []byte
	err = r.call(ctx, func(s *remote.Signer) (err error) {
		cert, err = s.Sign(req)
		return err
	})
	return cert, err
}

// Authority fetches the certificate of an authority. The server does not
// prove that it has the key: its TLS certificate vouches for the answer.
func (r *RemoteIssuer) Authority(ctx context.Context, a Authority) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	var resp *info.Resp
	err := r.call(ctx, func(s *remote.Signer) (err error) {
		resp, err = s.Info(info.Req{Label: r.cfg.Labels[a]})
		return err
	})
	if err == nil && resp == nil {
		err = errors.New("remote signer: an empty answer")
	}
	var cert *x509.Certificate
	if err == nil {
		cert, err = parseCert([]byte(resp.Certificate))
	}
	if err == nil {
		err = checkAuthority(cert)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching authority %q (label %q): %w", a, r.cfg.Labels[a], err)
	}
	return cert, nil
}

// call runs one request. cfssl's client panics on an answer whose fields have
// other types than it thinks.
func (r *RemoteIssuer) call(ctx context.Context, do func(*remote.Signer) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("remote signer %s: an answer that is none of cfssl's: %v", r.cfg.URL, p)
		}
	}()
	s, err := r.client(ctx)
	if err == nil {
		err = do(s)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("remote signer %s: %w", r.cfg.URL, cfsslError(err))
	}
	return nil
}

// remote makes the remote signer of the definition.
func (s *Store) remote() (*RemoteIssuer, error) {
	def := s.c.Def.PKI.Remote
	cfg := RemoteConfig{URL: def.URL, Labels: map[Authority]string{}}
	for _, a := range Authorities() {
		cfg.Labels[a] = def.Label(string(a))
	}
	if def.CAFile != "" {
		data, err := atomicfile.ReadFile(s.beside(def.CAFile), maxHolder)
		if err != nil {
			return nil, fmt.Errorf("pki.remote.caFile: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("pki.remote.caFile: %q has no certificate in it", def.CAFile)
		}
	}
	path := s.beside(def.AuthKeyFile)
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("pki.remote.authKeyFile: %q: its mode %04o lets others read it; run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	key, err := atomicfile.ReadFile(path, maxIdentity)
	if err != nil {
		return nil, fmt.Errorf("pki.remote.authKeyFile: %w", err)
	}
	cfg.AuthKey = string(bytes.TrimSpace(key))
	return NewRemoteIssuer(cfg)
}

// beside resolves a path of the definition.
func (s *Store) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.c.Dir, path)
}
