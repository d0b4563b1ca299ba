package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Bounds of a serial number in bits: below 64 it is guessable (CA/Browser
// Forum, Baseline Requirements 7.1), above 159 it does not fit into the 20
// octets of RFC 5280, section 4.1.2.2.
const (
	minSerialBits = 64
	maxSerialBits = 159
)

// clockTolerance is how far the dates of a certificate may be from what was
// asked for: cfssl serve ignores the dates of a request and counts a profile's
// lifetime from its own clock.
const clockTolerance = 15 * time.Minute

// usages gives what the certificate of a request says it may be used for. The
// key usage goes with the key: only RSA keys encrypt (RFC 8422, section 3).
func usages(u Usage, pub crypto.PublicKey) (x509.KeyUsage, []x509.ExtKeyUsage, error) {
	ku := x509.KeyUsageDigitalSignature
	if _, ec := pub.(*ecdsa.PublicKey); !ec {
		ku |= x509.KeyUsageKeyEncipherment
	}
	switch u {
	case Client:
		return ku, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, nil
	case Server:
		return ku, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, nil
	case Peer:
		return ku, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, nil
	}
	return 0, nil, fmt.Errorf("usage %q is not one of %q", u, allUsages())
}

func allUsages() []Usage { return []Usage{Client, Server, Peer} }

// differences says in which ways a certificate is not what a request asks
// for: subject, names and usages. Dates, key and signature are not looked at.
func differences(cert *x509.Certificate, r Request) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if cert.Subject.CommonName != r.CommonName {
		say("common name is %q, not %q", cert.Subject.CommonName, r.CommonName)
	}
	if !sameSet(cert.Subject.Organization, r.Organization) {
		say("organization is %q, not %q", cert.Subject.Organization, r.Organization)
	}
	if n := len(r.Organization) + 1; len(cert.Subject.Names) > n {
		say("subject has more than common name and organization: %q", cert.Subject)
	}
	want, got := sans(r), certSANs(cert)
	for _, s := range want {
		if !slices.Contains(got, s) {
			say("SAN %s missing", s)
		}
	}
	for _, s := range got {
		if !slices.Contains(want, s) {
			say("SAN %s not wanted", s)
		}
	}
	if len(got) > len(want) && len(out) == 0 {
		say("a SAN stands twice")
	}
	ku, eku, err := usages(r.Usage, cert.PublicKey)
	if err != nil {
		say("%s", err)
	} else if cert.KeyUsage != ku || len(cert.UnknownExtKeyUsage) > 0 || !sameSet(cert.ExtKeyUsage, eku) {
		say("usage is not that of a %s certificate", r.Usage)
	}
	if cert.IsCA {
		say("it is an authority")
	}
	if len(cert.UnhandledCriticalExtensions) > 0 {
		say("critical extension %s", cert.UnhandledCriticalExtensions[0])
	}
	return out
}

// sans lists a request's names in the form of [certSANs].
func sans(r Request) []string {
	out := slices.Clone(r.DNSNames)
	for _, a := range r.IPs {
		out = append(out, a.String())
	}
	return out
}

// certSANs lists a certificate's names: DNS names, addresses, and then what
// no certificate of ours has.
func certSANs(cert *x509.Certificate) []string {
	out := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		a, _ := netip.AddrFromSlice(ip)
		out = append(out, a.Unmap().String())
	}
	for _, e := range cert.EmailAddresses {
		out = append(out, "email:"+e)
	}
	for _, u := range cert.URIs {
		out = append(out, "uri:"+u.String())
	}
	return out
}

func sameSet[T ~string | x509.ExtKeyUsage](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// verifyIssued holds what a signer returned against what it was asked for. It
// is the guard against everything that a signer may do on its own: another
// profile, names of its choice, a life beyond its authority's.
func verifyIssued(certPEM []byte, r Request, pub crypto.PublicKey, ca *x509.Certificate, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	cert, err := parseCert(certPEM)
	if err != nil {
		return nil, fmt.Errorf("the signer did not do what was asked: %w", err)
	}
	wrong := differences(cert, r)
	if !samePublic(cert.PublicKey, pub) {
		wrong = append(wrong, "it is for another key")
	}
	if err := signedBy(cert, ca); err != nil {
		wrong = append(wrong, err.Error())
	}
	wrong = append(wrong, wrongDates(cert, ca, notBefore, notAfter)...)
	if n := cert.SerialNumber.BitLen(); cert.SerialNumber.Sign() <= 0 || n < minSerialBits || n > maxSerialBits {
		wrong = append(wrong, fmt.Sprintf("serial number of %d bits, not %d to %d", n, minSerialBits, maxSerialBits))
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("the signer did not do what was asked: %s", strings.Join(wrong, "; "))
	}
	return cert, nil
}

func wrongDates(cert, ca *x509.Certificate, notBefore, notAfter time.Time) []string {
	var wrong []string
	if d := cert.NotBefore.Sub(notBefore); d < -clockTolerance || d > backdate {
		wrong = append(wrong, fmt.Sprintf("valid from %s, not %s", stamp(cert.NotBefore), stamp(notBefore)))
	}
	if d := cert.NotAfter.Sub(notAfter); d < -clockTolerance || d > clockTolerance {
		wrong = append(wrong, fmt.Sprintf("valid until %s, not %s", stamp(cert.NotAfter), stamp(notAfter)))
	}
	if cert.NotAfter.After(ca.NotAfter) {
		wrong = append(wrong, fmt.Sprintf("valid until %s, beyond its authority's end on %s", stamp(cert.NotAfter), stamp(ca.NotAfter)))
	}
	return wrong
}

// signedBy checks that the authority signed the certificate.
func signedBy(cert, ca *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, ca.RawSubject) {
		return fmt.Errorf("issued by %q, not by %q", cert.Issuer, ca.Subject)
	}
	if !bytes.Equal(cert.AuthorityKeyId, ca.SubjectKeyId) {
		return fmt.Errorf("issued by another authority with the name %q", ca.Subject)
	}
	if err := cert.CheckSignatureFrom(ca); err != nil {
		return fmt.Errorf("not signed by %q: %w", ca.Subject, err)
	}
	return nil
}

// parseCert reads exactly one CERTIFICATE block.
func parseCert(certPEM []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(certPEM)
	if block == nil || block.Type != pemCert || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("reading certificate: not one PEM block of type CERTIFICATE")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	return cert, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
