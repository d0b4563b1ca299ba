package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// HeaderSession is the header with the number by which a program that has used
// a token is known again.
const HeaderSession = "Ingot-Session"

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 10

// serveScript serves the script of the machine that asks.
func (s *Server) serveScript(w http.ResponseWriter, r *http.Request) {
	m, err := parseMachine(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	is, err := s.register.start(m)
	if err != nil {
		s.tell(event(Unknown, "", m, "%v", err), r.RemoteAddr)
		script(w, s.unknownScript(m, err.Error()))
		return
	}
	if is.fresh {
		s.tell(event(Started, is.node, m, "this unknown machine is now %s", is.node), r.RemoteAddr)
	}
	switch is.done {
	case Installed:
		s.tell(event(Started, is.node, m, "is installed, and starts from its disk"), r.RemoteAddr)
		script(w, installedScript(is.node))
	case Running:
		s.tell(event(Started, is.node, m, "starts with the identity that it has"), r.RemoteAddr)
		script(w, s.machineScript(base(r), is.node, m.query(), s.line(base(r), false)))
	default:
		script(w, s.machineScript(base(r), is.node, m.query(), s.line(base(r), true)))
	}
}

// credentials are what a request has to have.
func credentials(r *http.Request) (token, session secret, denied *denial) {
	if r.TLS == nil {
		return secret{}, secret{}, &denial{status: http.StatusForbidden, alarm: true, text: "an identity is given over HTTPS only, and this token was sent for all to see"}
	}
	token, err := bearer(r.Header.Get("Authorization"))
	if err != nil {
		return secret{}, secret{}, &denial{status: http.StatusUnauthorized, text: err.Error()}
	}
	if session, err = parseSecret(r.Header.Get(HeaderSession)); err != nil {
		return secret{}, secret{}, &denial{status: http.StatusBadRequest, text: "header " + HeaderSession + ": " + err.Error()}
	}
	return token, session, nil
}

// refuse answers that there is nothing, and tells of it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, n Node, m Machine, d *denial) {
	e := event(Refused, n.Name, m, "%s: %s", r.URL.Path, d.text)
	e.Alarm = d.alarm
	s.tell(e, r.RemoteAddr)
	http.Error(w, d.text, d.status)
}

// serveIdentity gives an identity.
func (s *Server) serveIdentity(w http.ResponseWriter, r *http.Request) {
	token, session, denied := credentials(r)
	if denied != nil {
		s.refuse(w, r, Node{}, Machine{}, denied)
		return
	}
	n, m, given, denied := s.register.claim(token, session)
	if denied != nil {
		s.refuse(w, r, n, m, denied)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(n.Identity)))
	if _, err := w.Write(n.Identity); err != nil {
		s.tell(event(Given, n.Name, m, "the connection broke while its identity was sent"), r.RemoteAddr)
		return
	}
	times := ""
	if given > 1 {
		times = fmt.Sprintf(", for the %d. time", given)
	}
	s.tell(event(Given, n.Name, m, "was given its identity (%d bytes)%s", len(n.Identity), times), r.RemoteAddr)
}

// serveDone is told that a machine keeps its identity.
func (s *Server) serveDone(w http.ResponseWriter, r *http.Request) {
	token, session, denied := credentials(r)
	var outcome Outcome
	if denied == nil {
		var err error
		if outcome, err = readOutcome(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			denied = &denial{status: http.StatusBadRequest, text: err.Error()}
		}
	}
	if denied != nil {
		s.refuse(w, r, Node{}, Machine{}, denied)
		return
	}
	n, m, fresh, denied := s.register.finish(token, session, outcome)
	if denied != nil {
		s.refuse(w, r, n, m, denied)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	if fresh {
		what := map[Outcome]string{Installed: "is installed, and keeps its identity", Running: "keeps its identity"}[outcome]
		if left := s.waiting(); len(left) > 0 {
			what += fmt.Sprintf("; %d to go: %q", len(left), left)
		}
		s.tell(event(Done, n.Name, m, "%s", what), r.RemoteAddr)
	}
	s.finished()
}

// readOutcome reads the body of a request.
func readOutcome(r io.Reader) (Outcome, error) {
	var body struct {
		Outcome Outcome `json:"outcome"`
	}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return "", errors.New(`the body is not {"outcome": "install"} or {"outcome": "run"}`)
	}
	if body.Outcome != Installed && body.Outcome != Running {
		return "", fmt.Errorf("outcome %.20q is unknown (%s, %s)", body.Outcome, Installed, Running)
	}
	return body.Outcome, nil
}
