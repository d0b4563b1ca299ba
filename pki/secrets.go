package pki

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Secret is a value that must be nowhere but in the store and the identities.
type Secret struct {
	Name  string // for people, such as "nodes/lab0: apiserver"
	Value []byte
}

// Secrets decrypts the whole store and gives what of it must be nowhere else,
// to look for it by value: the private number of each key, which is in every
// encoding of it (the scalar of ECDSA keys, the first prime of RSA keys), and
// other secrets as they are. The order is that of the files.
func (s *Store) Secrets() ([]Secret, error) {
	var out []Secret
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, suffix) {
			return err
		}
		rel, err := filepath.Rel(s.dir, path)
		if err != nil {
			return err
		}
		h, err := s.read(strings.TrimSuffix(filepath.ToSlash(rel), suffix))
		if err != nil || h.sealed == nil { // authorities of a remote signer have no keys here
			return err
		}
		opened, err := s.open(h)
		if err != nil {
			return err
		}
		for _, e := range opened {
			out = append(out, Secret{Name: h.holder + ": " + e.name, Value: essence(e.block)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("key store: reading its secrets: %w", err)
	}
	return out, nil
}

// essence is the part of a secret that is in every encoding of it.
func essence(b *pem.Block) []byte {
	if key, err := x509.ParsePKCS1PrivateKey(b.Bytes); err == nil {
		return key.Primes[0].Bytes()
	}
	if key, err := x509.ParseECPrivateKey(b.Bytes); err == nil {
		return scalar(key, b.Bytes)
	}
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return b.Bytes
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key.Primes[0].Bytes()
	case *ecdsa.PrivateKey:
		return scalar(key, b.Bytes)
	default:
		return b.Bytes
	}
}

// scalar is the private number of a key, with the zeros that it begins with in
// encodings.
func scalar(key *ecdsa.PrivateKey, otherwise []byte) []byte {
	d, err := key.Bytes()
	if err != nil {
		return otherwise
	}
	return d
}
