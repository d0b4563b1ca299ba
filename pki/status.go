package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"
)

// State says how a certificate stands.
type State string

// The states.
const (
	OK         State = "ok"
	Stale      State = "stale" // the next run issues it again
	Expired    State = "expired"
	Missing    State = "missing" // the next run issues it
	Undefined  State = "not in the definition"
	Damaged    State = "damaged" // a run stops here
	authorityU Usage = "authority"
)

// Row is one certificate of the store, or one that should be there.
type Row struct {
	Holder    string    `json:"holder"` // such as "node master0"
	Name      string    `json:"name,omitempty"`
	Purpose   string    `json:"purpose,omitempty"`
	Authority Authority `json:"authority,omitempty"`
	Usage     Usage     `json:"usage,omitempty"` // "authority" for authorities
	Subject   string    `json:"subject,omitempty"`
	SANs      []string  `json:"sans,omitempty"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	DaysLeft  int       `json:"daysLeft"` // whole days, negative after the end
	State     State     `json:"state"`
	Reason    string    `json:"reason,omitempty"` // of every state but ok
}

// Status describes every certificate at a time: authorities, nodes in the
// order of the definition, people, then nodes that the definition no longer
// has. It takes no lock, decrypts nothing and reports damage as a state.
func (s *Store) Status(at time.Time) ([]Row, error) {
	view := *s
	view.o.Now = at
	return view.status()
}

func (s *Store) status() ([]Row, error) {
	r := &run{s: s, cas: map[Authority]*x509.Certificate{}}
	var rows []Row
	for _, a := range Authorities() {
		row := Row{Holder: title(authoritiesDir + string(a)), Name: authorityEntry, Purpose: Purpose(authorityEntry), Authority: a, Usage: authorityU}
		_, cert, err := s.authority(a)
		if err == nil {
			r.cas[a] = cert
			row.describe(cert, s.o.Now)
		}
		row.judge("", err)
		rows = append(rows, row)
	}
	for i := range s.c.Nodes {
		n := &s.c.Nodes[i]
		rows = append(rows, r.rows(nodesDir+n.Name, NodeRequests(s.c, n))...)
	}
	holders, err := s.holders()
	if err != nil {
		return nil, err
	}
	var gone []Row
	for _, holder := range holders {
		if name, ok := strings.CutPrefix(holder, adminsDir); ok {
			rows = append(rows, r.rows(holder, []Request{AdminRequest(s.c, name)})...)
		}
		if name, ok := strings.CutPrefix(holder, nodesDir); ok {
			if _, defined := s.c.Node(name); !defined {
				gone = append(gone, s.undefined(holder)...)
			}
		}
	}
	return append(rows, gone...), nil
}

// rows describes the certificates of one file.
func (r *run) rows(holder string, requests []Request) []Row {
	h, err := r.s.read(holder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []Row{{Holder: title(holder), State: Damaged, Reason: err.Error()}}
	}
	var rows []Row
	for _, req := range requests {
		row := Row{Holder: title(holder), Name: req.Name, Purpose: Purpose(req.Name), Authority: req.Authority, Usage: req.Usage}
		cert, why, err := r.look(h, req)
		if cert != nil {
			row.describe(cert, r.s.o.Now)
		}
		row.judge(why, err)
		rows = append(rows, row)
	}
	return rows
}

func (r *run) look(h *holderFile, req Request) (cert *x509.Certificate, why string, err error) {
	if h == nil {
		return nil, "", fs.ErrNotExist
	}
	if _, ok := h.find(req.Name); !ok {
		return nil, "", fs.ErrNotExist
	}
	if cert, err = h.cert(req.Name); err != nil {
		return nil, "", err
	}
	ca := r.cas[req.Authority]
	if ca == nil {
		return cert, "", fmt.Errorf("its authority %q is missing or damaged", req.Authority)
	}
	why, err = staleReason(cert, req, ca, r.s)
	return cert, why, err
}

// undefined describes the file of a node that the definition does not have.
func (s *Store) undefined(holder string) []Row {
	h, err := s.read(holder)
	if err != nil {
		return []Row{{Holder: title(holder), State: Damaged, Reason: err.Error()}}
	}
	var rows []Row
	for _, e := range h.clear {
		if e.block.Type != pemCert {
			continue
		}
		row := Row{Holder: title(holder), Name: e.name, Purpose: Purpose(e.name)}
		cert, err := h.cert(e.name)
		if err == nil {
			row.describe(cert, s.o.Now)
			row.State, row.Reason = Undefined, "remove "+s.path(holder)+" once the machine is gone"
		} else {
			row.judge("", err)
		}
		rows = append(rows, row)
	}
	return rows
}

// describe fills in what the certificate itself says.
func (row *Row) describe(cert *x509.Certificate, now time.Time) {
	row.Subject, row.SANs, row.NotAfter = cert.Subject.String(), certSANs(cert), cert.NotAfter
	row.DaysLeft = int(math.Floor(cert.NotAfter.Sub(now).Hours() / 24))
	if row.Usage != "" {
		return
	}
	for _, u := range allUsages() {
		if _, eku, err := usages(u, cert.PublicKey); err == nil && sameSet(eku, cert.ExtKeyUsage) {
			row.Usage = u
		}
	}
}

// judge sets the state from what a look at the certificate said.
func (row *Row) judge(why string, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		row.State, row.Reason = Missing, "not issued yet"
	case err != nil:
		row.State, row.Reason = Damaged, err.Error()
	case row.DaysLeft < 0:
		row.State, row.Reason = Expired, "ended on "+stamp(row.NotAfter)
	case why != "":
		row.State, row.Reason = Stale, why
	default:
		row.State = OK
	}
}
