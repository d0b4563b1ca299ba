package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The PEM types of the store. PKCS #8 for keys of certificates (RFC 7468,
// section 10); PKCS #1 for the mesh, because tinc reads no other.
const (
	pemCert       = "CERTIFICATE"
	pemKey        = "PRIVATE KEY"
	pemPublic     = "PUBLIC KEY"
	pemRSAKey     = "RSA PRIVATE KEY"
	pemRSAPublic  = "RSA PUBLIC KEY"
	pemEncryption = "INGOT ENCRYPTION KEY"
	pemRequest    = "CERTIFICATE REQUEST"
)

// encryptionKeySize is the key size in bytes that Kubernetes' secretbox and
// 256-bit AES providers take.
const encryptionKeySize = 32

// keyTypes are the values of pki.keyType.
var keyTypes = []string{"ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"}

// newKey makes a key of a type of the definition.
func newKey(keyType string) (crypto.Signer, error) {
	var key crypto.Signer
	var err error
	switch keyType {
	case "ecdsa-p256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa-2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa-3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case "rsa-4096":
		key, err = rsa.GenerateKey(rand.Reader, 4096)
	default:
		return nil, fmt.Errorf("making key: type %q is not one of %q", keyType, keyTypes)
	}
	if err != nil {
		return nil, fmt.Errorf("making %s key: %w", keyType, err)
	}
	return key, nil
}

// keyType names the type of a public key as the definition does. Types that
// the definition does not have get a name that is none of its.
func keyType(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return "ecdsa-p256"
		case elliptic.P384():
			return "ecdsa-p384"
		}
		return "ecdsa-" + k.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa-%d", k.N.BitLen())
	}
	return fmt.Sprintf("%T", pub)
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func encodeKey(key crypto.Signer) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding private key: %w", err)
	}
	return &pem.Block{Type: pemKey, Bytes: der}, nil
}

// decodeKey reads a PRIVATE KEY block. Its errors hold nothing of the key.
func decodeKey(b *pem.Block) (crypto.Signer, error) {
	if b.Type != pemKey {
		return nil, fmt.Errorf("reading private key: PEM type is %q, want %q", b.Type, pemKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, errors.New("reading private key: not PKCS #8")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("reading private key: %T cannot sign", key)
	}
	return signer, nil
}

// newMeshKey makes a tinc key pair: a clear and a secret PEM block.
func newMeshKey(bits int) (public, private *pem.Block, err error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, nil, fmt.Errorf("making mesh key of %d bits: %w", bits, err)
	}
	return &pem.Block{Type: pemRSAPublic, Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)},
		&pem.Block{Type: pemRSAKey, Bytes: x509.MarshalPKCS1PrivateKey(key)}, nil
}
