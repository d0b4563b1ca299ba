package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"
)

// AuthorityKey is an authority whose private key is at hand.
type AuthorityKey struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// LocalIssuer signs with keys in memory.
type LocalIssuer struct {
	signers map[Authority]*local.Signer
}

var _ Issuer = (*LocalIssuer)(nil)

// NewLocalIssuer makes an issuer of cfssl's local signers, one for each authority.
func NewLocalIssuer(authorities map[Authority]AuthorityKey) (*LocalIssuer, error) {
	quiet()
	iss := &LocalIssuer{signers: make(map[Authority]*local.Signer, len(authorities))}
	for a, k := range authorities {
		if !samePublic(k.Cert.PublicKey, k.Key.Public()) {
			return nil, fmt.Errorf("authority %q: the private key is not that of the certificate", a)
		}
		s, err := local.NewSigner(k.Key, k.Cert, signer.DefaultSigAlgo(k.Key), &config.Signing{
			Profiles: profiles(), Default: closedProfile(),
		})
		if err != nil {
			return nil, fmt.Errorf("authority %q: %w", a, cfsslError(err))
		}
		iss.signers[a] = s
	}
	return iss, nil
}

// Sign implements [Issuer].
func (l *LocalIssuer) Sign(ctx context.Context, csrPEM []byte, r Request, notBefore, notAfter time.Time) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, ok := l.signers[r.Authority]
	if !ok {
		return nil, fmt.Errorf("no authority %q", r.Authority)
	}
	profile, err := profileFor(r.Usage, csrPEM)
	if err != nil {
		return nil, err
	}
	req, err := signRequest(csrPEM, r, profile, notBefore, notAfter)
	if err != nil {
		return nil, err
	}
	cert, err := s.Sign(req)
	if err != nil {
		return nil, cfsslError(err)
	}
	return cert, nil
}

// anyLifetime stands in profiles whose dates every request brings along.
const anyLifetime = time.Hour

// keyUsages names key usages as cfssl does, without and with an RSA key.
func keyUsages(rsa bool) []string {
	if rsa {
		return []string{"digital signature", "key encipherment"}
	}
	return []string{"digital signature"}
}

// profiles are the signing profiles, one for each usage and kind of key.
// Nothing but the public key is taken from a CSR.
func profiles() map[string]*config.SigningProfile {
	ext := map[Usage][]string{
		Client: {"client auth"},
		Server: {"server auth"},
		Peer:   {"server auth", "client auth"},
	}
	out := map[string]*config.SigningProfile{}
	for u, eku := range ext {
		for suffix, rsa := range map[string]bool{"": false, "-rsa": true} {
			out[string(u)+suffix] = &config.SigningProfile{
				Usage:                       append(keyUsages(rsa), eku...),
				Expiry:                      anyLifetime,
				ExpiryString:                anyLifetime.String(),
				ClientProvidesSerialNumbers: true,
				CSRWhitelist:                keyOnly(),
			}
		}
	}
	return out
}

func keyOnly() *config.CSRWhitelist {
	return &config.CSRWhitelist{PublicKey: true, PublicKeyAlgorithm: true, SignatureAlgorithm: true}
}

// closedProfile is the default profile, to which cfssl falls back for unknown
// names. It has no usage, so that cfssl refuses to sign with it.
func closedProfile() *config.SigningProfile {
	return &config.SigningProfile{
		Expiry: anyLifetime, ExpiryString: anyLifetime.String(),
		ClientProvidesSerialNumbers: true, CSRWhitelist: keyOnly(),
	}
}

// newAuthority makes an authority with a key of its own. Its certificate has a
// path length of 0: it signs no other authorities.
func newAuthority(clusterName string, a Authority, keyType string, now time.Time, lifetime time.Duration) (AuthorityKey, error) {
	quiet()
	fail := func(err error) (AuthorityKey, error) {
		return AuthorityKey{}, fmt.Errorf("making authority %q: %w", a, err)
	}
	key, err := newKey(keyType)
	if err != nil {
		return fail(err)
	}
	csrPEM, err := certificateRequest(key)
	if err != nil {
		return fail(err)
	}
	profile := closedProfile()
	profile.Usage = []string{"cert sign", "crl sign"}
	profile.CAConstraint = config.CAConstraint{IsCA: true, MaxPathLenZero: true}
	s, err := local.NewSigner(key, nil, signer.DefaultSigAlgo(key), &config.Signing{Default: profile})
	if err != nil {
		return fail(cfsslError(err))
	}
	now = now.UTC().Truncate(time.Second)
	req, err := signRequest(csrPEM, Request{CommonName: authorityName(clusterName, a)}, "", now.Add(-backdate), now.Add(lifetime))
	if err != nil {
		return fail(err)
	}
	certPEM, err := s.Sign(req)
	if err != nil {
		return fail(cfsslError(err))
	}
	cert, err := parseCert(certPEM)
	if err != nil {
		return fail(err)
	}
	if err := checkAuthority(cert); err != nil {
		return fail(err)
	}
	return AuthorityKey{Cert: cert, Key: key}, nil
}

// authorityName is the common name of an authority of our own making, at most
// 40 + 22 characters of the 64 that X.509 allows.
func authorityName(clusterName string, a Authority) string {
	return clusterName + " " + string(a) + " authority"
}

// checkAuthority makes sure that a certificate is one of an authority.
func checkAuthority(cert *x509.Certificate) error {
	switch {
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return fmt.Errorf("the certificate of %q is not that of an authority", cert.Subject)
	case cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("the certificate of %q may not sign certificates", cert.Subject)
	case len(cert.SubjectKeyId) == 0:
		return fmt.Errorf("the certificate of %q has no subject key identifier", cert.Subject)
	}
	return nil
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(pemBlock(cert))
}

func pemBlock(cert *x509.Certificate) *pem.Block {
	return &pem.Block{Type: pemCert, Bytes: cert.Raw}
}
