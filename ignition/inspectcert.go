package ignition

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// CertInfo is a certificate in a file.
type CertInfo struct {
	Path      string    `json:"path"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Authority bool      `json:"authority,omitempty"`
	Usage     []string  `json:"usage,omitempty"` // "client", "server"
	DNSNames  []string  `json:"dnsNames,omitempty"`
	IPs       []string  `json:"ips,omitempty"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	DaysLeft  int       `json:"daysLeft"` // negative once it has ended
}

// maxCertificates bounds how many certificates and keys are looked into.
const maxCertificates = 512

// maxChecks bounds how many signatures are checked: hundreds of authorities of
// one name and hundreds of certificates would make it minutes.
const maxChecks = 4 * maxCertificates

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// located is something in a file.
type located[T any] struct {
	path  string
	value T
}

// keyring is all that files have of certificates and keys.
type keyring struct {
	certs   []located[*x509.Certificate]
	private []located[crypto.PublicKey] // the public sides of private keys
	public  []located[crypto.PublicKey]
}

// certificates lists all certificates, and finds what is wrong with them.
func (in *inspector) certificates() {
	ring := in.gatherKeys()
	for _, c := range ring.certs {
		in.Certificates = append(in.Certificates, in.certInfo(c.path, c.value))
		in.checkDates(c.path, c.value)
		in.checkIssuer(c.path, c.value, ring.certs)
		for _, k := range ring.private {
			if sibling(c.path, k.path) && !sameKey(c.value.PublicKey, k.value) {
				in.warn("%s: the key in %s is not its key", c.path, k.path)
			}
		}
	}
	for _, p := range ring.public {
		for _, k := range ring.private {
			if sibling(p.path, k.path) && !sameKey(p.value, k.value) {
				in.warn("%s: it is not the public key of %s", p.path, k.path)
			}
		}
	}
}

// sibling reports whether two files belong to one key by their names.
func sibling(public, private string) bool {
	if public == private {
		return true
	}
	stem := strings.TrimSuffix(public, path.Ext(public))
	return private == stem+".key" || private == stem+"-key.pem"
}

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// gatherKeys parses the PEM blocks of all files.
func (in *inspector) gatherKeys() keyring {
	var ring keyring
	left := maxCertificates
	for _, f := range in.applied {
		if !bytes.Contains(f.data, []byte("-----BEGIN ")) {
			continue
		}
		for block, rest := pem.Decode(f.data); block != nil; block, rest = pem.Decode(rest) {
			if left--; left < 0 {
				in.warn("there are more than %d certificates and keys, and not all were looked into", maxCertificates)
				return ring
			}
			if err := ring.add(f.Path, block); err != nil {
				in.warn("%s: %v", f.Path, err)
			}
		}
	}
	return ring
}

// add parses a block. Errors say nothing of what is in a key.
func (r *keyring) add(path string, block *pem.Block) error {
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return errors.New("a certificate in it cannot be read")
		}
		r.certs = append(r.certs, located[*x509.Certificate]{path, cert})
		return nil
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
		if err == nil {
			r.public = append(r.public, located[crypto.PublicKey]{path, key})
		}
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("a %s in it cannot be read", block.Type)
	}
	if signer, ok := key.(crypto.Signer); ok {
		r.private = append(r.private, located[crypto.PublicKey]{path, signer.Public()})
	}
	return nil
}

func (in *inspector) certInfo(path string, c *x509.Certificate) CertInfo {
	info := CertInfo{
		Path: path, Subject: c.Subject.String(), Issuer: c.Issuer.String(), Authority: c.IsCA,
		DNSNames: c.DNSNames, NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		DaysLeft: int(c.NotAfter.Sub(in.now).Hours() / 24),
	}
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageClientAuth:
			info.Usage = append(info.Usage, "client")
		case x509.ExtKeyUsageServerAuth:
			info.Usage = append(info.Usage, "server")
		}
	}
	for _, ip := range c.IPAddresses {
		info.IPs = append(info.IPs, ip.String())
	}
	return info
}

func (in *inspector) checkDates(path string, c *x509.Certificate) {
	const day = "2006-01-02 15:04 MST"
	switch {
	case in.now.After(c.NotAfter):
		in.warn("%s: it has expired on %s", path, c.NotAfter.UTC().Format(day))
	case in.now.Before(c.NotBefore):
		in.warn("%s: it is not valid before %s", path, c.NotBefore.UTC().Format(day))
	case c.NotAfter.Sub(in.now) < soon:
		in.warn("%s: it expires soon, on %s", path, c.NotAfter.UTC().Format(day))
	}
}

// checkIssuer looks for the authority of a certificate among those that come
// along, if any do.
func (in *inspector) checkIssuer(path string, c *x509.Certificate, all []located[*x509.Certificate]) {
	authorities := 0
	for _, a := range all {
		if !a.value.IsCA {
			continue
		}
		authorities++
		if !bytes.Equal(a.value.RawSubject, c.RawIssuer) {
			continue
		}
		if in.checks++; in.checks > maxChecks {
			in.warn("there are too many authorities of one name, and not all signatures were checked")
			return
		}
		if c.CheckSignatureFrom(a.value) == nil {
			return
		}
	}
	if authorities > 0 {
		in.warn("%s: none of the authorities in here has signed it", path)
	}
}
