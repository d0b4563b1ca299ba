package pki

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ensureShared makes a file that all controllers share, once in a cluster's life.
func (r *run) ensureShared(holder string, fill func() ([]entry, secrets, error)) error {
	_, err := r.s.read(holder)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := r.checkNotLost(holder); err != nil {
		return err
	}
	public, private, err := fill()
	if err != nil {
		return err
	}
	if err := r.save(holder, public, private); err != nil {
		return err
	}
	r.did(Change{Holder: title(holder), Action: Made})
	return nil
}

// checkNotLost refuses to make again what nodes already depend on.
func (r *run) checkNotLost(holder string) error {
	files, err := os.ReadDir(filepath.Join(r.s.dir, nodesDir))
	if err != nil {
		return fmt.Errorf("key store: %w", err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), suffix) {
			return fmt.Errorf("key store: %s is missing, though %s exists: restore it from a copy; to start a new cluster, move %s away",
				r.s.path(holder), filepath.Join(r.s.dir, nodesDir, f.Name()), r.s.dir)
		}
	}
	return nil
}

func (s *Store) newServiceAccount() ([]entry, secrets, error) {
	key, err := newKey(s.c.Def.PKI.KeyType)
	if err != nil {
		return nil, nil, err
	}
	private, err := encodeKey(key)
	if err != nil {
		return nil, nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encoding public key: %w", err)
	}
	return []entry{{publicEntry, &pem.Block{Type: pemPublic, Bytes: public}}}, secrets{{keyEntry, private}}, nil
}

func newEncryption() ([]entry, secrets, error) {
	key := make([]byte, encryptionKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, nil, fmt.Errorf("making encryption key: %w", err)
	}
	return nil, secrets{{keyEntry, &pem.Block{Type: pemEncryption, Bytes: key}}}, nil
}
