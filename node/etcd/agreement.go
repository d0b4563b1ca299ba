package etcd

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// agreementPath is where a node that has not decided says so, at the peers'
// port of the etcd that does not run yet.
const agreementPath = "/ingot/etcd/v1"

// States that a node says.
const (
	stateEmpty  = "empty"  // no data
	stateAgreed = "agreed" // no data, and all agreed to start a new cluster
	stateLeft   = "left"   // it has left, and comes back only when it is told to
)

// Statement is what such a node says.
type Statement struct {
	Node       string   `json:"node"`
	Cluster    string   `json:"cluster"`
	Definition string   `json:"definition"`
	State      string   `json:"state"`
	Nonce      string   `json:"nonce,omitempty"`
	Vector     []string `json:"vector,omitempty"` // with agreed
}

// statement is what a node in this state says.
func statement(f *Facts, self Self) Statement {
	s := Statement{Node: f.Me().Name, Cluster: f.Cluster, Definition: f.Definition, State: stateEmpty, Nonce: self.Record.Nonce}
	switch {
	case self.Left != nil:
		s.State, s.Nonce = stateLeft, ""
	case self.Record.agreed(f):
		s.State, s.Vector = stateAgreed, self.Record.Vector
	}
	return s
}

// booth serves statements.
type booth struct {
	server  *http.Server
	closed  chan error
	current atomic.Pointer[Statement]
}

// open listens at the peers' port. Who has no certificate of the authority
// etcd does not get beyond the handshake.
func open(ctx context.Context, listen func(ctx context.Context, address string) (net.Listener, error), addr string, config *tls.Config) (*booth, error) {
	l, err := listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	b := &booth{closed: make(chan error, 1)}
	b.server = &http.Server{
		Handler: b, ReadHeaderTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: silent(),
	}
	b.server.SetKeepAlivesEnabled(false)
	go func() { b.closed <- b.server.Serve(tls.NewListener(l, config)) }()
	return b, nil
}

// ServeHTTP answers. Members of a running cluster knock here, too: they get
// 503, which has them try again. 403, 404, 410 and 412 mean more to them
// (etcd, server/etcdserver/api/rafthttp/stream.go and util.go).
func (b *booth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := b.current.Load()
	if r.URL.Path != agreementPath || r.Method != http.MethodGet || s == nil {
		http.Error(w, "etcd does not run here yet", http.StatusServiceUnavailable)
		return
	}
	text, err := json.Marshal(s)
	if err != nil {
		http.Error(w, "encoding", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the other end asks again
}

// close gives the port free.
func (b *booth) close() error {
	err := b.server.Close()
	<-b.closed
	return err
}

// hear asks a controller what it says. An etcd that runs at that port answers
// with its cluster and its members instead.
func hear(ctx context.Context, w web, config *tls.Config, c Controller) Answer {
	text, _, err := w.do(ctx, config, http.MethodGet, c.PeerURL+agreementPath, nil)
	if err == nil {
		var s Statement
		if err := json.Unmarshal(text, &s); err != nil || s.Node != c.Name {
			return Answer{Err: fmt.Sprintf("what answers at %s is not %s", address(c.PeerURL), c.Name)}
		}
		return Answer{Said: &s}
	}
	answer := Answer{Err: distrust(err)}
	if !isRefusal(err) {
		return answer
	}
	text, head, err := w.do(ctx, config, http.MethodGet, c.PeerURL+"/members", nil)
	if err != nil {
		return answer
	}
	var id uint64
	if _, err := fmt.Sscanf(head.Get("X-Etcd-Cluster-ID"), "%x", &id); err != nil || id == 0 {
		return answer
	}
	var members []peerMember
	if err := json.Unmarshal(text, &members); err != nil {
		return answer
	}
	answer = Answer{Runs: &Running{Cluster: ID(id)}}
	for _, m := range members {
		answer.Runs.Members = append(answer.Runs.Members, Member{
			ID: ID(m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, IsLearner: m.IsLearner,
		})
	}
	return answer
}

// distrust is what is wrong with certificates, if that is it.
func distrust(err error) string {
	var bad *tls.CertificateVerificationError
	var alert *net.OpError
	switch {
	case errors.As(err, &bad):
		return "its certificate: " + bad.Err.Error()
	case errors.As(err, &alert) && alert.Op == "remote error":
		return "it does not trust this node: " + alert.Err.Error()
	}
	return ""
}

// peerMember is a member as etcd shows it to peers: here IDs are numbers.
type peerMember struct {
	ID         uint64   `json:"id"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	IsLearner  bool     `json:"isLearner"`
}
