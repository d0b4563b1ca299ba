package pki

import (
	"crypto/x509"
	"net/netip"
)

// Authority is one of the cluster's certificate authorities.
type Authority string

// The authorities. A certificate of one is worth nothing to the servers of another.
const (
	Kubernetes Authority = "kubernetes"
	Etcd       Authority = "etcd"
	FrontProxy Authority = "front-proxy"
)

// Authorities lists the authorities in the order in which they are made and shown.
func Authorities() []Authority { return []Authority{Kubernetes, Etcd, FrontProxy} }

// Usage says on which side of a TLS connection a certificate is shown.
type Usage string

// The usages, as extended key usages: client, server, or both.
const (
	Client Usage = "client"
	Server Usage = "server"
	Peer   Usage = "peer"
)

// Request describes one certificate before it exists: everything but the key
// and the dates. It is plain data, so that what a cluster will issue can be
// printed, compared and tested before anything is signed.
type Request struct {
	Name         string // what it is for, and the stem of its files: "apiserver", "etcd-peer"
	Authority    Authority
	Usage        Usage
	CommonName   string
	Organization []string
	DNSNames     []string     // sorted
	IPs          []netip.Addr // sorted
}

// Credential is an issued certificate with its private key.
type Credential struct {
	Name      string
	Authority Authority
	CertPEM   []byte // one CERTIFICATE block
	KeyPEM    []byte // one PRIVATE KEY block (PKCS #8)
	Cert      *x509.Certificate
}

// MeshKey is a node's tinc RSA key pair.
type MeshKey struct {
	PublicPEM  []byte // RSA PUBLIC KEY (PKCS #1), the form of tinc's host files
	PrivatePEM []byte // RSA PRIVATE KEY (PKCS #1), the form of tinc's rsa_key.priv
}

// Material is all that one node gets from the key store: its own
// certificates and keys, and what its roles share with others.
type Material struct {
	Credentials []Credential // in the order of [NodeRequests]
	Mesh        MeshKey

	CAs map[Authority][]byte // certificates of the authorities, PEM

	// For controllers only, nil else.
	ServiceAccountKeyPEM []byte // PRIVATE KEY (PKCS #8) that signs service account tokens
	ServiceAccountPubPEM []byte // PUBLIC KEY (PKIX)
	EncryptionKey        []byte // 32 random bytes: encryption of Secrets at rest
}

// Credential finds a credential by name.
func (m *Material) Credential(name string) (*Credential, bool) {
	for i := range m.Credentials {
		if m.Credentials[i].Name == name {
			return &m.Credentials[i], true
		}
	}
	return nil, false
}
