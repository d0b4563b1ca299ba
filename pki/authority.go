package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// seenAuthority is an authority that was checked, and the bytes that were.
type seenAuthority struct {
	data []byte
	file *holderFile
	cert *x509.Certificate
}

// AuthorityCert reads the certificate of an authority.
func (s *Store) AuthorityCert(a Authority) (*x509.Certificate, error) {
	_, cert, err := s.authority(a)
	return cert, err
}

func (s *Store) authority(a Authority) (*holderFile, *x509.Certificate, error) {
	holder := authoritiesDir + string(a)
	data, err := s.load(holder)
	if err != nil {
		return nil, nil, err
	}
	if was, ok := s.seen.Load(holder); ok && bytes.Equal(was.(*seenAuthority).data, data) {
		return was.(*seenAuthority).file, was.(*seenAuthority).cert, nil
	}
	h, err := parseHolder(data, s.c.Def.Name, holder)
	var cert *x509.Certificate
	if err == nil {
		cert, err = h.authority(authorityName(s.c.Def.Name, a))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("key store: %s: %w", s.path(holder), err)
	}
	s.seen.Store(holder, &seenAuthority{data, h, cert})
	return h, cert, nil
}

// authority checks the certificate of an authority. name is that of ours;
// those of a remote signer have names of their own.
func (h *holderFile) authority(name string) (*x509.Certificate, error) {
	cert, err := h.cert(authorityEntry)
	if err != nil {
		return nil, err
	}
	if err := checkAuthority(cert); err != nil {
		return nil, err
	}
	if h.sealed != nil && cert.Subject.CommonName != name {
		return nil, fmt.Errorf("it is of the authority %q, not of %q", cert.Subject.CommonName, name)
	}
	if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		if err := cert.CheckSignatureFrom(cert); err != nil {
			return nil, fmt.Errorf("damaged: %w", err)
		}
	}
	return cert, nil
}

// ensureAuthority reads an authority, or makes it; one that a remote signer
// has is fetched and pinned.
func (r *run) ensureAuthority(ctx context.Context, a Authority) error {
	s := r.s
	h, cert, err := s.authority(a)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.checkNotLost(authoritiesDir + string(a)); err != nil {
			return err
		}
		if cert, err = r.makeAuthority(ctx, a); err != nil {
			return err
		}
	} else if err != nil {
		return err
	} else if remote := s.c.Def.PKI.Remote != nil; remote != (h.sealed == nil) {
		if remote {
			return fmt.Errorf("key store: %s has a private key, though pki.remote says that a server signs; remove pki.remote, or move %s away to start a new cluster", s.path(h.holder), s.dir)
		}
		return fmt.Errorf("key store: %s has no private key, it is on a remote signer: set pki.remote", s.path(h.holder))
	}
	r.cas[a] = cert
	return r.checkLife(a, cert)
}

func (r *run) makeAuthority(ctx context.Context, a Authority) (*x509.Certificate, error) {
	s, holder := r.s, authoritiesDir+string(a)
	if s.c.Def.PKI.Remote != nil {
		remote, err := s.remote()
		if err != nil {
			return nil, err
		}
		cert, err := remote.Authority(ctx, a)
		if err != nil {
			return nil, err
		}
		if err := r.save(holder, authorityEntries(cert), nil); err != nil {
			return nil, err
		}
		r.did(Change{Holder: title(holder), Action: Pinned, Reason: fmt.Sprintf("%q of %s", cert.Subject, s.c.Def.PKI.Remote.URL)})
		return cert, nil
	}
	k, err := newAuthority(s.c.Def.Name, a, s.c.Def.PKI.KeyType, s.o.Now, s.c.Def.PKI.CALifetime.Std())
	if err != nil {
		return nil, err
	}
	key, err := encodeKey(k.Key)
	if err != nil {
		return nil, err
	}
	if err := r.save(holder, authorityEntries(k.Cert), secrets{{keyEntry, key}}); err != nil {
		return nil, err
	}
	r.made[a] = k
	r.did(Change{Holder: title(holder), Action: Made})
	return k.Cert, nil
}

func authorityEntries(cert *x509.Certificate) []entry {
	return []entry{{authorityEntry, pemBlock(cert)}}
}

// checkLife refuses an authority that has ended, and warns of one that ends
// before the certificates that it signs now would.
func (r *run) checkLife(a Authority, cert *x509.Certificate) error {
	s := r.s
	path := s.path(authoritiesDir + string(a))
	switch now := s.o.Now; {
	case now.Before(cert.NotBefore):
		return fmt.Errorf("key store: %s: the authority is valid only from %s on; is the clock right?", path, stamp(cert.NotBefore))
	case !now.Before(cert.NotAfter):
		return fmt.Errorf("key store: %s: the authority ended on %s; %s", path, stamp(cert.NotAfter), s.replaceHint())
	case now.Add(s.lifetime()).After(cert.NotAfter):
		s.o.Log.Warn(fmt.Sprintf("key store: %s: the authority ends on %s, in %d days, and all its certificates with it; %s",
			path, stamp(cert.NotAfter), cert.NotAfter.Sub(now)/(24*time.Hour), s.replaceHint()))
	}
	return nil
}

// replaceHint says how an authority is replaced: with all that hangs on it.
func (s *Store) replaceHint() string {
	if s.c.Def.PKI.Remote != nil {
		return fmt.Sprintf("renew it on the remote signer, move %s away, issue everything again and replace every node", s.dir)
	}
	return fmt.Sprintf("to replace it, move %s away, issue everything again and replace every node", s.dir)
}

// checkDistinct makes sure that no two authorities are one: a certificate of
// one would open the servers of the other.
func (r *run) checkDistinct() error {
	list := Authorities()
	for i, a := range list {
		for _, b := range list[:i] {
			if samePublic(r.cas[a].PublicKey, r.cas[b].PublicKey) {
				return fmt.Errorf("key store: %s and %s are one authority; each needs a key of its own",
					r.s.path(authoritiesDir+string(b)), r.s.path(authoritiesDir+string(a)))
			}
		}
	}
	return nil
}

// openIssuer gives what signs: the keys of the store, or the remote signer,
// after a look at whether it still has the pinned authorities.
func (r *run) openIssuer(ctx context.Context) (Issuer, error) {
	s := r.s
	if s.c.Def.PKI.Remote != nil {
		remote, err := s.remote()
		if err != nil {
			return nil, err
		}
		for _, a := range Authorities() {
			cert, err := remote.Authority(ctx, a)
			if err != nil {
				return nil, err
			}
			if !bytes.Equal(cert.Raw, r.cas[a].Raw) {
				return nil, fmt.Errorf("remote signer %s: its authority for %q is not the one pinned in %s", s.c.Def.PKI.Remote.URL, a, s.path(authoritiesDir+string(a)))
			}
		}
		return remote, nil
	}
	keys := map[Authority]AuthorityKey{}
	for _, a := range Authorities() {
		k, err := r.authorityKey(a)
		if err != nil {
			return nil, err
		}
		keys[a] = k
	}
	return NewLocalIssuer(keys)
}

func (r *run) authorityKey(a Authority) (AuthorityKey, error) {
	if k, ok := r.made[a]; ok {
		return k, nil
	}
	h, cert, err := r.s.authority(a)
	if err != nil {
		return AuthorityKey{}, err
	}
	sec, err := r.s.open(h)
	if err != nil {
		return AuthorityKey{}, err
	}
	block, err := keyOf(sec, keyEntry, cert)
	if err != nil {
		return AuthorityKey{}, fmt.Errorf("key store: %s: %w", r.s.path(h.holder), err)
	}
	key, err := decodeKey(block)
	return AuthorityKey{Cert: cert, Key: key}, err
}
