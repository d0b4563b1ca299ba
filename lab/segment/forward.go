package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// relays are listeners on the loopback interface and the connections that
// they have accepted.
type relays struct {
	mu     sync.Mutex
	open   map[closer]bool
	closed bool
}

// closer is a listener or a connection.
type closer interface{ Close() error }

// connectTime is how long a machine may take to answer a connection. Without
// KVM, one that has just been started answers late.
const connectTime = 30 * time.Second

// Forward relays TCP connections from a loopback address of this host to an
// address on the segment, until the segment is closed. The context is for
// making the listener. An invalid host address means any free port of
// 127.0.0.1, port 0 any of the address. The listener's address is returned.
// When the machine does not answer, connections are reset.
func (s *Segment) Forward(ctx context.Context, guest, host netip.AddrPort) (netip.AddrPort, error) {
	if !host.Addr().IsValid() {
		host = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), host.Port())
	}
	fail := func(err error) (netip.AddrPort, error) {
		return netip.AddrPort{}, fmt.Errorf("forwarding %s to %s: %w", host, guest, err)
	}
	if !host.Addr().IsLoopback() {
		return fail(fmt.Errorf("%s is not a loopback address", host.Addr()))
	}
	if !guest.IsValid() || guest.Port() == 0 {
		return fail(fmt.Errorf("%s is not an address to connect to", guest))
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", host.String())
	if err != nil {
		return fail(err)
	}
	s.mu.Lock() // so that Close does not wait before there is something to wait for
	defer s.mu.Unlock()
	if !s.relays.add(listener) {
		return fail(errClosed)
	}
	s.wg.Go(func() { s.accept(listener, guest) })
	return listener.Addr().(*net.TCPAddr).AddrPort(), nil
}

// add notes something that is open, or closes it if that has come too late.
func (r *relays) add(c closer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = c.Close() // it was never used
		return false
	}
	r.open[c] = true
	return true
}

func (r *relays) done(c closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	_ = c.Close() // it has been used up
}

func (r *relays) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for c := range r.open {
		_ = c.Close() // whoever uses it finds out
	}
}

// retry is how long to wait when the process has no room for a connection.
const retry = 100 * time.Millisecond

func (s *Segment) accept(listener net.Listener, guest netip.AddrPort) {
	defer s.relays.done(listener)
	for {
		conn, err := listener.Accept()
		if err == nil {
			if s.relays.add(conn) {
				s.wg.Go(func() { s.relay(conn.(*net.TCPConn), guest) })
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		time.Sleep(retry)
	}
}

// attempt is a connection that is being made.
type attempt struct{ cancel context.CancelFunc }

// Close gives up.
func (a *attempt) Close() error {
	a.cancel()
	return nil
}

// halves is a connection whose directions are closed one by one.
type halves interface {
	net.Conn
	CloseWrite() error
}

// relay connects two connections.
func (s *Segment) relay(host *net.TCPConn, guest netip.AddrPort) {
	defer s.relays.done(host)
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	waiting := &attempt{cancel}
	if !s.relays.add(waiting) {
		return
	}
	defer s.relays.done(waiting)
	conn, err := s.dial(ctx, "tcp", guest)
	if err != nil {
		_ = host.SetLinger(0) // reset, not closed
		return
	}
	defer func() { _ = conn.Close() }()
	there := conn.(halves)
	var back sync.WaitGroup
	back.Go(func() { pump(host, there) })
	pump(there, host)
	back.Wait()
}

// pump copies until the end of one, of which it tells the other. If there is
// no end but an error, both are broken.
func pump(to, from halves) {
	_, err := io.Copy(to, from)
	if err == nil {
		err = to.CloseWrite()
	}
	if err == nil {
		return
	}
	for _, c := range []halves{to, from} {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // reset, not closed
		}
		_ = c.Close()
	}
}
