package pki

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Public is what an image has of the key store. Nothing of it is secret.
type Public struct {
	CAs      map[Authority][]byte // certificate of each authority, one CERTIFICATE block
	MeshKeys map[string][]byte    // of each node and spare by name, one RSA PUBLIC KEY block
}

// NotIssuedError says what an image needs and the store does not have yet.
type NotIssuedError struct {
	Dir         string // of the key store
	Authorities []Authority
	Nodes       []string // those without a mesh key
}

// maxListed is how many names a message lists.
const maxListed = 5

func (e *NotIssuedError) Error() string {
	var lacks []string
	for _, a := range e.Authorities {
		lacks = append(lacks, fmt.Sprintf("the authority %q", a))
	}
	for i, name := range e.Nodes {
		if i == maxListed {
			lacks = append(lacks, fmt.Sprintf("those of %d more", len(e.Nodes)-i))
			break
		}
		lacks = append(lacks, fmt.Sprintf("the mesh key of %q", name))
	}
	return fmt.Sprintf("key store: %s lacks %s; nothing has been issued for them yet", e.Dir, strings.Join(lacks, ", "))
}

// Public reads what the image of the cluster needs. It decrypts nothing, so
// nobody's identity is needed. Where something was not issued yet, the error is
// a [*NotIssuedError] with all that is missing.
func (s *Store) Public() (*Public, error) {
	p := &Public{CAs: map[Authority][]byte{}, MeshKeys: map[string][]byte{}}
	missing := &NotIssuedError{Dir: s.dir}
	for _, a := range Authorities() {
		cert, err := s.AuthorityCert(a)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing.Authorities = append(missing.Authorities, a)
		case err != nil:
			return nil, err
		default:
			p.CAs[a] = pem.EncodeToMemory(pemBlock(cert))
		}
	}
	for i := range s.c.Nodes {
		name := s.c.Nodes[i].Name
		key, err := s.MeshPublicKey(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing.Nodes = append(missing.Nodes, name)
		case err != nil:
			return nil, err
		default:
			p.MeshKeys[name] = key
		}
	}
	if len(missing.Authorities) > 0 || len(missing.Nodes) > 0 {
		return nil, missing
	}
	return p, nil
}
