package vsphere

import (
	"context"
	"crypto/sha1" //nolint:gosec // vSphere shows thumbprints of SHA-1; they are compared with what a person gave
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/vmware/govmomi/vim25/soap"
)

// Trust says which certificate the server may have. The zero value is one that
// this machine's authorities vouch for.
type Trust struct {
	CAFile string // PEM with authorities, instead of this machine's
	// Thumbprint is the SHA-256 or SHA-1 of the one certificate that is taken,
	// whoever issued it, in hexadecimal with or without colons.
	Thumbprint string
}

// pool are the authorities; nil means those of this machine.
func (t Trust) pool() (*x509.CertPool, error) {
	if t.Thumbprint != "" && len(t.digest()) != sha1.Size && len(t.digest()) != sha256.Size {
		return nil, fmt.Errorf("thumbprint %q: want the SHA-256 of a certificate, 64 hexadecimal digits", t.Thumbprint)
	}
	if t.CAFile == "" {
		return nil, nil // as crypto/tls has it
	}
	data, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authority of the server: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("reading the authority of the server: %s has no PEM certificate in it", t.CAFile)
	}
	return pool, nil
}

// digest is the thumbprint as bytes; nil where it is none.
func (t Trust) digest() []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(t.Thumbprint, ":", ""))
	if err != nil {
		return nil
	}
	return b
}

// colons is the thumbprint as govmomi has it.
func (t Trust) colons() string {
	var parts []string
	for _, b := range t.digest() {
		parts = append(parts, fmt.Sprintf("%02X", b))
	}
	return strings.Join(parts, ":")
}

// matches reports whether this is the certificate of the thumbprint.
func (t Trust) matches(cert *x509.Certificate) bool {
	sum256, sum1 := sha256.Sum256(cert.Raw), sha1.Sum(cert.Raw) //nolint:gosec // as above
	got := string(t.digest())
	return got == string(sum256[:]) || got == string(sum1[:])
}

// apply has connections checked. A thumbprint counts for the server itself,
// also where an authority vouches for its certificate. Hosts of a vCenter, to
// which a disk is sent, are trusted by the thumbprint that the vCenter gives for
// them.
func (t Trust) apply(conn *soap.Client) error {
	pool, err := t.pool()
	if err != nil {
		return err
	}
	transport := conn.DefaultTransport()
	transport.TLSClientConfig.RootCAs, transport.TLSClientConfig.MinVersion = pool, tls.VersionTLS12
	if t.Thumbprint == "" {
		return nil
	}
	server := withPort(conn.URL())
	conn.SetThumbprint(server, t.colons())
	dial := transport.DialTLSContext
	transport.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil || addr != server {
			return c, err
		}
		if secure, ok := c.(*tls.Conn); !ok || !t.matches(secure.ConnectionState().PeerCertificates[0]) {
			_ = c.Close()
			return nil, errors.New("the certificate of the server is not that of the thumbprint")
		}
		return c, nil
	}
	return nil
}

// withPort is a server's name and port.
func withPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}
