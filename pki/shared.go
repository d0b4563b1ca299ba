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
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
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

// checkLedgerNotLost finds out whether the index ledger was lost and the
// definition alone gives nodes other addresses than they have: machines that
// run would be renumbered.
func (s *Store) checkLedgerNotLost() error {
	ledger := filepath.Join(s.c.Dir, cluster.IndexesFile)
	if _, err := os.Lstat(ledger); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i := range s.c.Nodes {
		n := &s.c.Nodes[i]
		h, err := s.read(nodesDir + n.Name)
		if err != nil {
			continue // nothing was issued yet; what is damaged is reported when the node's turn comes
		}
		cert, err := h.cert("kubelet-server")
		if err != nil {
			continue
		}
		if has := certSANs(cert); !slices.Contains(has, n.MeshIP().String()) {
			return fmt.Errorf("key store: %s is missing, and without it node %q would get the address %s, though its certificates are for %s: restore it from a copy",
				ledger, n.Name, n.MeshIP(), strings.Join(has, ", "))
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
