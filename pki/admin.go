package pki

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"encoding/pem"
)

// Admin gives the credential of a person, which it issues when there is none,
// or when the one in the store ends soon. The changes are of the whole store.
func (s *Store) Admin(ctx context.Context, name string) (*Credential, []Change, error) {
	if !validName(name) {
		return nil, nil, fmt.Errorf("admin %q: a name is lower-case letters, digits, dots and dashes", name)
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	r, err := s.begin(ctx, nil)
	if err != nil {
		return nil, r.changes, err
	}
	cred, err := r.admin(ctx, AdminRequest(s.c, name), adminsDir+name)
	return cred, r.changes, err
}

func (r *run) admin(ctx context.Context, req Request, holder string) (*Credential, error) {
	why := "new"
	h, err := r.s.read(holder)
	if err == nil {
		if why, err = r.stale(h, req); err != nil {
			err = r.at(holder, err)
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if why == "" {
		sec, err := r.s.open(h)
		if err != nil {
			return nil, err
		}
		cred, err := credential(h, sec, req, r.cas[req.Authority])
		if err != nil {
			return nil, r.at(holder, err)
		}
		return cred, nil
	}
	cert, key, err := r.issue(ctx, req)
	if err != nil {
		return nil, r.at(holder, err)
	}
	clear, sec := []entry{{req.Name, cert}}, secrets{{req.Name, key}}
	if err := r.save(holder, clear, sec); err != nil {
		return nil, err
	}
	action := Reissued
	if h == nil {
		action = Issued
	}
	r.did(Change{Holder: title(holder), Name: "certificate", Action: action, Reason: why})
	return credential(&holderFile{clear: clear}, sec, req, r.cas[req.Authority])
}

// BreakGlass issues a credential of the group system:masters, which no RBAC
// rule holds back. It is not stored; nothing but its end takes it away, so its
// lifetime should be hours.
func (s *Store) BreakGlass(ctx context.Context, lifetime time.Duration) (*Credential, error) {
	if lifetime <= 0 || lifetime > s.lifetime() {
		return nil, fmt.Errorf("break-glass: a lifetime of %s is not between 0 and pki.certLifetime (%s)", lifetime, s.c.Def.PKI.CertLifetime)
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r, err := s.begin(ctx, nil)
	if err != nil {
		return nil, err
	}
	iss, err := r.issuer()
	if err != nil {
		return nil, err
	}
	req := BreakGlassRequest()
	return issue(ctx, iss, req, s.c.Def.PKI.KeyType, r.cas[req.Authority], s.o.Now, lifetime)
}

// AuthorityPEM reads the certificate of an authority as one CERTIFICATE block.
func (s *Store) AuthorityPEM(a Authority) ([]byte, error) {
	cert, err := s.AuthorityCert(a)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(pemBlock(cert)), nil
}
