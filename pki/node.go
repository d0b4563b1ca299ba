package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// node ensures one node's file. Every node is done by itself, so that memory
// does not grow with their number.
func (r *run) node(ctx context.Context, n *cluster.Node) ([]Change, error) {
	holder := nodesDir + n.Name
	requests := NodeRequests(r.s.c, n)
	h, err := r.s.read(holder)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.newNode(ctx, holder, requests); err != nil {
			return nil, err
		}
		return []Change{{Holder: title(holder), Name: fmt.Sprintf("mesh key and %d certificates", len(requests)), Action: Issued, Reason: "new"}}, nil
	}
	if err != nil {
		return nil, err
	}
	reasons, changes, err := r.review(h, requests)
	if err != nil {
		return nil, r.at(holder, err)
	}
	if len(changes) == 0 {
		return nil, nil
	}
	sec, err := r.s.open(h)
	if err != nil {
		return nil, err
	}
	if err := r.renew(ctx, h, sec, requests, reasons); err != nil {
		return nil, err
	}
	return changes, nil
}

// at says in which file something is wrong.
func (r *run) at(holder string, err error) error {
	return fmt.Errorf("key store: %s: %w", r.s.path(holder), err)
}

func (r *run) newNode(ctx context.Context, holder string, requests []Request) error {
	public, private, err := newMeshKey(r.s.c.Def.Mesh.KeyBits)
	if err != nil {
		return r.at(holder, err)
	}
	var clear []entry
	var sec secrets
	for _, req := range requests {
		cert, key, err := r.issue(ctx, req)
		if err != nil {
			return r.at(holder, err)
		}
		clear, sec = append(clear, entry{req.Name, cert}), append(sec, entry{req.Name, key})
	}
	return r.save(holder, append(clear, entry{meshEntry, public}), append(sec, entry{meshEntry, private}))
}

// issue makes one certificate with the definition's key type and lifetime.
func (r *run) issue(ctx context.Context, req Request) (cert, key *pem.Block, err error) {
	iss, err := r.issuer()
	if err != nil {
		return nil, nil, err
	}
	cred, err := issue(ctx, iss, req, r.s.c.Def.PKI.KeyType, r.cas[req.Authority], r.s.o.Now, r.s.lifetime())
	if err != nil {
		return nil, nil, err
	}
	key, _ = pem.Decode(cred.KeyPEM)
	return pemBlock(cred.Cert), key, nil
}

// review finds what in a file has to be issued again: reasons by name of the
// request. It reads the clear part only.
func (r *run) review(h *holderFile, requests []Request) (reasons map[string]string, changes []Change, err error) {
	reasons = map[string]string{}
	who := title(h.holder)
	wanted := map[string]bool{meshEntry: true}
	for _, req := range requests {
		wanted[req.Name] = true
		why, err := r.stale(h, req)
		if err != nil {
			return nil, nil, err
		}
		if why != "" {
			reasons[req.Name] = why
			action := Reissued
			if _, there := h.find(req.Name); !there {
				action = Issued
			}
			changes = append(changes, Change{Holder: who, Name: req.Name, Action: action, Reason: why})
		}
	}
	for _, e := range h.clear {
		if !wanted[e.name] {
			changes = append(changes, Change{Holder: who, Name: e.name, Action: Removed, Reason: "its roles no longer need it"})
		}
	}
	if h.readers != r.readers.fingerprint {
		changes = append(changes, Change{Holder: who, Action: Reencrypted, Reason: "the recipients have changed"})
	}
	if _, ok := h.find(meshEntry); !ok {
		return nil, nil, errors.New("no mesh key in it")
	}
	return reasons, changes, nil
}

// stale says why a certificate has to be issued again, or nothing.
func (r *run) stale(h *holderFile, req Request) (string, error) {
	if _, ok := h.find(req.Name); !ok {
		return "missing", nil
	}
	cert, err := h.cert(req.Name)
	if err != nil {
		return "", err
	}
	return staleReason(cert, req, r.cas[req.Authority], r.s)
}

// staleReason compares a certificate with what would be issued now. A
// certificate that cannot be of this store is an error.
func staleReason(cert *x509.Certificate, req Request, ca *x509.Certificate, s *Store) (string, error) {
	if !bytes.Equal(cert.RawIssuer, ca.RawSubject) {
		return "", fmt.Errorf("foreign certificate %s: issued by %q, not by %q", req.Name, cert.Issuer, ca.Subject)
	}
	if !bytes.Equal(cert.AuthorityKeyId, ca.SubjectKeyId) {
		return "issued by another authority with the same name", nil
	}
	if err := cert.CheckSignatureFrom(ca); err != nil {
		return "", fmt.Errorf("certificate %s: damaged: its signature is wrong", req.Name)
	}
	why := differences(cert, req)
	if is, want := keyType(cert.PublicKey), s.c.Def.PKI.KeyType; is != want {
		why = append(why, fmt.Sprintf("key is %s, not %s", is, want))
	}
	left := cert.NotAfter.Sub(s.o.Now)
	_, end := span(ca, s.o.Now, s.lifetime())
	switch {
	case left <= 0:
		why = append(why, "ended on "+stamp(cert.NotAfter))
	case left < s.renewBefore() && end.Sub(cert.NotAfter) > clockTolerance: // else its authority's end bounds it
		why = append(why, "ends on "+stamp(cert.NotAfter))
	}
	return strings.Join(why, "; "), nil
}

// renew writes a file anew: what has a reason with new keys, the rest as it
// is, after a look at whether it belongs together.
func (r *run) renew(ctx context.Context, h *holderFile, sec secrets, requests []Request, reasons map[string]string) error {
	var clear []entry
	var private secrets
	for _, req := range requests {
		var cert, key *pem.Block
		if reasons[req.Name] != "" {
			var err error
			if cert, key, err = r.issue(ctx, req); err != nil {
				return r.at(h.holder, err)
			}
		} else {
			old, err := h.cert(req.Name)
			if err == nil {
				key, err = keyOf(sec, req.Name, old)
			}
			if err != nil {
				return r.at(h.holder, err)
			}
			cert = pemBlock(old)
		}
		clear, private = append(clear, entry{req.Name, cert}), append(private, entry{req.Name, key})
	}
	public, _ := h.find(meshEntry)
	mesh, ok := sec.find(meshEntry)
	if !ok || !validMeshKey(public, mesh) {
		return r.at(h.holder, errors.New("the mesh key is missing, damaged or not one pair"))
	}
	return r.save(h.holder, append(clear, entry{meshEntry, public}), append(private, entry{meshEntry, mesh}))
}
