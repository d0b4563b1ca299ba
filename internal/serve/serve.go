// Package serve lets machines start over a network: it serves the parts of a
// boot ISO and scripts for iPXE, and gives each node's machine its identity,
// once.
//
// A machine is known by its MAC address, serial number or UUID, which anybody
// on its network can imitate. So each start of a known machine gets a token of
// its own, which comes with its initrd, ends with the next start, and belongs to
// the program that uses it first. Whatever does not fit is refused and told at
// once. The identity itself goes over TLS only, to a program that knows the
// server's certificate; docs/how-to/pxe.md says what that protects from.
//
// One port speaks both HTTP and HTTPS. Tokens and keys are in no address, no
// event and no error.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Times and sizes of requests. How long a medium may take nobody knows.
const (
	headerTime  = 10 * time.Second
	idleTime    = 2 * time.Minute
	maxHeader   = 16 << 10
	partingTime = 10 * time.Second
)

// Config says what is served, and to whom.
type Config struct {
	Cluster string
	Medium  *Medium
	Nodes   []Node
	// Next are nodes that machines become which are no node's, in this order.
	Next        []string
	Certificate tls.Certificate
	Once        bool             // end when every node's machine keeps its identity
	Log         func(Event)      // called for one event at a time
	Now         func() time.Time // the time of events, and of connections
	Progress    Progress         // of the media that machines fetch
}

// Progress is told of each medium that a machine fetches, each under a name of
// its own, by several goroutines at once. Sizes are in bytes.
type Progress interface {
	Begin(step string)
	Advance(step string, done, total int64)
	End(step string, took time.Duration, cached bool, size int64, err error)
}

// Server serves. Its methods may be called concurrently.
type Server struct {
	cfg      Config
	pin      string
	register *register
	complete chan struct{} // closed when every machine keeps its identity
	once     sync.Once
	telling  sync.Mutex
}

// New checks what is to be served.
func New(cfg Config) (*Server, error) {
	if cfg.Medium.Cluster != cfg.Cluster {
		return nil, fmt.Errorf("the boot ISO is of the cluster %q, not %q", cfg.Medium.Cluster, cfg.Cluster)
	}
	s := &Server{cfg: cfg, complete: make(chan struct{})}
	var err error
	if s.pin, err = pin(cfg.Certificate); err != nil {
		return nil, err
	}
	if s.register, err = newRegister(cfg.Nodes, cfg.Next); err != nil {
		return nil, err
	}
	// The longest address that there is.
	line := s.line("http://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", true)
	if err := checkLine(line); err != nil {
		return nil, err
	}
	if n := len(strings.Join(line, " ")) + len("kernel initrd=initrd "); n > maxLine {
		return nil, fmt.Errorf("the kernel line has %d bytes, at most %d: system.kernelArgs are too long", n, maxLine)
	}
	return s, nil
}

// Pin is the SHA-256 of the server's certificate, in hexadecimal.
func (s *Server) Pin() string { return s.pin }

// Line is the kernel line of machines that reach the server at an address.
func (s *Server) Line(address string) string {
	return strings.Join(s.line("http://"+address, true), " ")
}

// States are the nodes, and what was given to their machines.
func (s *Server) States() []NodeState { return s.register.states() }

// Serve serves until the context ends, or every machine keeps its identity if
// that is asked for. Then it waits a little for what is under way. It closes
// the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), // strangers' broken connections; what matters is an event
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{s.cfg.Certificate}, NextProtos: []string{"http/1.1"}}
	s.tell(Event{Kind: Listening, Text: "listening; iPXE starts from " + PathScript}, l.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(newEither(l, conf, s.cfg.Now)) }()
	var failed error
	select {
	case <-ctx.Done():
	case <-s.complete:
	case failed = <-ended:
		return fmt.Errorf("serving: %w", failed)
	}
	parting, cancel := context.WithTimeout(context.WithoutCancel(ctx), partingTime)
	defer cancel()
	if err := server.Shutdown(parting); errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
		if err != nil {
			return fmt.Errorf("ending: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("ending: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathScript, func(w http.ResponseWriter, r *http.Request) { script(w, firstScript(base(r))) })
	mux.HandleFunc("GET "+pathMachine, s.serveScript)
	mux.HandleFunc("GET "+pathInitrd, s.serveInitrd)
	mux.HandleFunc("POST "+PathIdentity, s.serveIdentity)
	mux.HandleFunc("POST "+PathDone, s.serveDone)
	mux.HandleFunc("GET "+pathSums, func(w http.ResponseWriter, _ *http.Request) { text(w, s.cfg.Medium.sums()) })
	for _, name := range []string{NameMedium, NameKernel, NameInitrd, NameBootInitrd} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { s.serveFile(w, r, name) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Nothing here is for a browser, and nothing is to be kept or guessed.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// finished ends the server, if that was all it was for.
func (s *Server) finished() {
	if s.cfg.Once && s.register.complete() {
		s.once.Do(func() { close(s.complete) })
	}
}

// waiting are the nodes whose machines have not said that they keep their
// identity.
func (s *Server) waiting() []string {
	var out []string
	for _, n := range s.States() {
		if n.Outcome == "" {
			out = append(out, n.Node)
		}
	}
	slices.Sort(out)
	return out
}
