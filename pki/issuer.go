package pki

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/cloudflare/cfssl/csr"
	cferr "github.com/cloudflare/cfssl/errors"
	"github.com/cloudflare/cfssl/log"
	"github.com/cloudflare/cfssl/signer"
)

// backdate is how long before now a certificate begins to be valid, for
// machines whose clock is a little behind.
const backdate = 5 * time.Minute

// Issuer signs certificates. What it returns is never trusted: every caller
// holds it against the request.
type Issuer interface {
	// Sign returns one CERTIFICATE block for the public key of csrPEM, one
	// CERTIFICATE REQUEST block; everything else comes from r. It may be
	// called concurrently.
	Sign(ctx context.Context, csrPEM []byte, r Request, notBefore, notAfter time.Time) (certPEM []byte, err error)
}

// issue makes a key and has a certificate for it signed.
func issue(ctx context.Context, iss Issuer, r Request, keyType string, ca *x509.Certificate, now time.Time, lifetime time.Duration) (*Credential, error) {
	fail := func(err error) (*Credential, error) { return nil, fmt.Errorf("issuing %s: %w", r.Name, err) }
	key, err := newKey(keyType)
	if err != nil {
		return fail(err)
	}
	csrPEM, err := certificateRequest(key)
	if err != nil {
		return fail(err)
	}
	notBefore, notAfter := span(ca, now, lifetime)
	certPEM, err := iss.Sign(ctx, csrPEM, r, notBefore, notAfter)
	if err != nil {
		return fail(err)
	}
	cert, err := verifyIssued(certPEM, r, key.Public(), ca, notBefore, notAfter)
	if err != nil {
		return fail(err)
	}
	block, err := encodeKey(key)
	if err != nil {
		return fail(err)
	}
	return &Credential{
		Name: r.Name, Authority: r.Authority, Cert: cert,
		CertPEM: pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: cert.Raw}),
		KeyPEM:  pem.EncodeToMemory(block),
	}, nil
}

// span gives the dates of a certificate made now: in whole seconds, as X.509
// has them, and never outside the life of its authority.
func span(ca *x509.Certificate, now time.Time, lifetime time.Duration) (notBefore, notAfter time.Time) {
	now = now.UTC().Truncate(time.Second)
	notBefore, notAfter = now.Add(-backdate), now.Add(lifetime)
	if notBefore.Before(ca.NotBefore) {
		notBefore = ca.NotBefore
	}
	if notAfter.After(ca.NotAfter) {
		notAfter = ca.NotAfter
	}
	return notBefore, notAfter
}

// certificateRequest proves that we have the key, and says nothing else: the
// subject and the names are the signer's business with us, not the CSR's.
func certificateRequest(key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("making certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemRequest, Bytes: der}), nil
}

// profileFor names the signing profile of a usage and the kind of key in a
// certificate request. It is the only source of profile names: cfssl takes a
// name that it does not know for the default profile.
func profileFor(u Usage, csrPEM []byte) (string, error) {
	block, _ := pem.Decode(csrPEM)
	if block == nil || block.Type != pemRequest {
		return "", fmt.Errorf("reading certificate request: not a PEM block of type %s", pemRequest)
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("reading certificate request: %w", err)
	}
	if _, _, err := usages(u, req.PublicKey); err != nil {
		return "", err
	}
	return profileName(u, req.PublicKey), nil
}

func profileName(u Usage, pub crypto.PublicKey) string {
	if _, ec := pub.(*ecdsa.PublicKey); ec {
		return string(u)
	}
	return string(u) + "-rsa"
}

// signRequest is what cfssl is asked for.
func signRequest(csrPEM []byte, r Request, profile string, notBefore, notAfter time.Time) (signer.SignRequest, error) {
	serial, err := newSerial()
	if err != nil {
		return signer.SignRequest{}, err
	}
	subject := &signer.Subject{CN: r.CommonName}
	for _, o := range r.Organization {
		subject.Names = append(subject.Names, csr.Name{O: o})
	}
	hosts := sans(r)
	if hosts == nil {
		hosts = []string{} // nil would mean: those of the CSR
	}
	return signer.SignRequest{
		Request: string(csrPEM), Profile: profile, Subject: subject, Hosts: hosts,
		Serial: serial, NotBefore: notBefore, NotAfter: notAfter,
	}, nil
}

// newSerial makes a serial number of 128 random bits. One below 64 bits is
// drawn again, which will not happen.
func newSerial() (*big.Int, error) {
	for {
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, fmt.Errorf("making serial number: %w", err)
		}
		if n := new(big.Int).SetBytes(b[:]); n.BitLen() >= minSerialBits {
			return n, nil
		}
	}
}

// cfsslError takes the words out of an error of cfssl, which is JSON, and cuts
// them to a line's length: a server's answer may be a page.
func cfsslError(err error) error {
	var ce *cferr.Error
	if !errors.As(err, &ce) {
		return err
	}
	const limit = 300
	msg := ce.Message
	if len(msg) > limit {
		msg = msg[:limit] + "..."
	}
	return fmt.Errorf("cfssl: %s (code %d)", msg, ce.ErrorCode)
}

// quietOnce guards cfssl's logger, which is one for the whole process and not
// made for concurrent use.
var quietOnce sync.Once

// quiet keeps cfssl from writing to stderr on its own. Nothing is lost: what
// it logs above its information level it also returns as an error.
func quiet() { quietOnce.Do(func() { log.SetLogger(noLog{}) }) }

type noLog struct{}

var _ log.SyslogWriter = noLog{}

func (noLog) Debug(string)   {}
func (noLog) Info(string)    {}
func (noLog) Warning(string) {}
func (noLog) Err(string)     {}
func (noLog) Crit(string)    {}
func (noLog) Emerg(string)   {}
