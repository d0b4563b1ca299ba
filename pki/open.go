package pki

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Material gives everything that one node's identity needs, private keys
// included. Whatever does not belong together is an error, and so is a
// certificate that the definition no longer asks for; dates are not looked at.
func (s *Store) Material(name string) (*Material, error) {
	n, ok := s.c.Node(name)
	if !ok {
		return nil, fmt.Errorf("key store: the definition has no node %q", name)
	}
	h, err := s.readNode(name)
	if err != nil {
		return nil, err
	}
	sec, err := s.open(h)
	if err != nil {
		return nil, err
	}
	m := &Material{CAs: map[Authority][]byte{}}
	cas := map[Authority]*x509.Certificate{}
	for _, a := range Authorities() {
		if cas[a], err = s.AuthorityCert(a); err != nil {
			return nil, err
		}
		m.CAs[a] = encodeCert(cas[a])
	}
	for _, r := range NodeRequests(s.c, n) {
		cred, err := credential(h, sec, r, cas[r.Authority])
		if err != nil {
			return nil, fmt.Errorf("key store: %s: %w", s.path(h.holder), err)
		}
		if why := differences(cred.Cert, r); len(why) > 0 {
			return nil, fmt.Errorf("key store: %s: certificate %s has to be issued again: %s", s.path(h.holder), r.Name, strings.Join(why, "; "))
		}
		m.Credentials = append(m.Credentials, *cred)
	}
	public, ok := h.find(meshEntry)
	private, ok2 := sec.find(meshEntry)
	if !ok || !ok2 || !validMeshKey(public, private) {
		return nil, fmt.Errorf("key store: %s: the mesh key is missing, damaged or not one pair", s.path(h.holder))
	}
	m.Mesh = MeshKey{PublicPEM: pem.EncodeToMemory(public), PrivatePEM: pem.EncodeToMemory(private)}
	if n.Has(cluster.Controller) {
		err = s.shared(m)
	}
	return m, err
}

// credential takes one certificate and its key out of a holder file.
func credential(h *holderFile, sec secrets, r Request, ca *x509.Certificate) (*Credential, error) {
	cert, err := h.cert(r.Name)
	if err != nil {
		return nil, err
	}
	if err := signedBy(cert, ca); err != nil {
		return nil, fmt.Errorf("certificate %s: %w", r.Name, err)
	}
	block, err := keyOf(sec, r.Name, cert)
	if err != nil {
		return nil, err
	}
	return &Credential{
		Name: r.Name, Authority: r.Authority, Cert: cert,
		CertPEM: encodeCert(cert), KeyPEM: pem.EncodeToMemory(block),
	}, nil
}

// keyOf finds the private key of a certificate and checks that it is its.
func keyOf(sec secrets, name string, cert *x509.Certificate) (*pem.Block, error) {
	block, ok := sec.find(name)
	if !ok {
		return nil, fmt.Errorf("no private key of %s in it", name)
	}
	key, err := decodeKey(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !samePublic(cert.PublicKey, key.Public()) {
		return nil, fmt.Errorf("the private key of %s is not that of its certificate", name)
	}
	return block, nil
}

// shared adds what all controllers have in common.
func (s *Store) shared(m *Material) error {
	h, err := s.read(serviceAccount)
	if err != nil {
		return err
	}
	sec, err := s.open(h)
	if err != nil {
		return err
	}
	public, okPublic := h.find(publicEntry)
	private, okPrivate := sec.find(keyEntry)
	if !okPublic || !okPrivate {
		return fmt.Errorf("key store: %s: damaged: a key is missing", s.path(h.holder))
	}
	key, err := decodeKey(private)
	if err != nil {
		return fmt.Errorf("key store: %s: %w", s.path(h.holder), err)
	}
	pub, err := x509.ParsePKIXPublicKey(public.Bytes)
	if err != nil || !samePublic(pub, key.Public()) {
		return fmt.Errorf("key store: %s: the keys are not one pair", s.path(h.holder))
	}
	m.ServiceAccountKeyPEM, m.ServiceAccountPubPEM = pem.EncodeToMemory(private), pem.EncodeToMemory(public)

	if h, err = s.read(encryption); err != nil {
		return err
	}
	if sec, err = s.open(h); err != nil {
		return err
	}
	block, ok := sec.find(keyEntry)
	if !ok || block.Type != pemEncryption || len(block.Bytes) != encryptionKeySize {
		return fmt.Errorf("key store: %s: damaged: no key of %d bytes in it", s.path(h.holder), encryptionKeySize)
	}
	m.EncryptionKey = block.Bytes
	return nil
}
