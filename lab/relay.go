package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// relay takes connections on 127.0.0.1 and leads each to one of the API
// servers: the first that takes it, those that were found ready before the
// others. What goes through it is TLS from end to end.
type relay struct {
	listener net.Listener
	wait     time.Duration // for one backend to take a connection

	mu       sync.Mutex
	backends []*backend
	conns    map[net.Conn]string // both ends of each connection, with the name of its backend
	tasks    sync.WaitGroup
}

// backend is one API server.
type backend struct {
	name    string
	dial    func(context.Context) (net.Conn, error)
	healthy bool
	bad     int // how often in a row it was found not to be ready
}

const (
	// connectWait is for a TCP connection within this host, to a machine that
	// may be busy.
	connectWait = 5 * time.Second
	// badTwice is how often in a row a backend is found not to be ready until
	// its connections are ended: clients have no other way to notice soon that
	// a machine is gone.
	badTwice = 2
)

func newRelay(listener net.Listener, backends []*backend) *relay {
	return &relay{listener: listener, wait: connectWait, backends: backends, conns: map[net.Conn]string{}}
}

// url is what clients are given.
func (r *relay) url() string { return "https://" + r.listener.Addr().String() }

// serve takes connections until the relay is closed.
func (r *relay) serve(ctx context.Context) {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(100 * time.Millisecond) // too many open files, most likely
			continue
		}
		r.tasks.Go(func() { r.lead(ctx, conn) })
	}
}

// order lists the backends, those first that are healthy.
func (r *relay) order() []*backend {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.backends)
	slices.SortStableFunc(out, func(a, b *backend) int {
		switch {
		case a.healthy == b.healthy:
			return 0
		case a.healthy:
			return -1
		}
		return 1
	})
	return out
}

// lead connects a client with the first backend that can be reached.
func (r *relay) lead(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	for _, b := range r.order() {
		dialling, cancel := context.WithTimeout(ctx, r.wait)
		server, err := b.dial(dialling)
		cancel()
		if err != nil {
			continue
		}
		r.join(b.name, client, server)
		return
	}
}

func (r *relay) join(name string, client, server net.Conn) {
	r.mu.Lock()
	if r.conns == nil { // closed
		r.mu.Unlock()
		_ = server.Close()
		return
	}
	r.conns[client], r.conns[server] = name, name
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { pass(server, client) })
	both.Go(func() { pass(client, server) })
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, client)
	delete(r.conns, server)
	_ = server.Close()
}

// pass copies in one direction, and passes on its end.
func pass(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close() // broken, so the other direction is of no use
		_ = from.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // if it is gone, so is the need
		return
	}
	_ = to.Close()
}

// judge takes what was found out about a backend.
func (r *relay) judge(name string, healthy bool) {
	r.mu.Lock()
	end := false
	for _, b := range r.backends {
		if b.name == name {
			b.healthy = healthy
			b.bad++
			if healthy {
				b.bad = 0
			}
			end = b.bad == badTwice
		}
	}
	r.mu.Unlock()
	if end {
		r.drop(name)
	}
}

// drop ends the connections with a backend, because its machine is gone.
func (r *relay) drop(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn, of := range r.conns {
		if of == name {
			_ = conn.Close()
		}
	}
	for _, b := range r.backends {
		if b.name == name {
			b.healthy = false
		}
	}
}

// close ends the relay and its connections.
func (r *relay) close() {
	_ = r.listener.Close() // it listens no more in any case
	r.mu.Lock()
	for conn := range r.conns {
		_ = conn.Close()
	}
	r.conns = nil
	r.mu.Unlock()
	r.tasks.Wait()
}

// backends are the API servers of the controllers.
func (l *Lab) backends() []*backend {
	var out []*backend
	for _, m := range l.plan.Controllers() {
		out = append(out, &backend{name: m.Name, dial: l.dial(m)})
	}
	return out
}

// dial connects to a controller's API server, on the machine's own address: so
// the definition must have the API open outside the mesh.
func (l *Lab) dial(m *Planned) func(context.Context) (net.Conn, error) {
	at := netip.AddrPortFrom(m.Address, uint16(l.cfg.Cluster.Def.API.Port)).String()
	return func(ctx context.Context) (net.Conn, error) { return l.segment.DialContext(ctx, "tcp", at) }
}
