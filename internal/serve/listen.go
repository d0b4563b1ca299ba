package serve

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// Limits of connections.
const (
	maxConnections = 1024
	firstByteTime  = 10 * time.Second
	acceptPause    = 50 * time.Millisecond // when the system has no more of something
)

// recordHandshake is how every TLS connection begins (RFC 8446, 5.1), and none
// of HTTP.
const recordHandshake = 22

// either is a listener whose port speaks HTTP and HTTPS: firmware knows only
// the one, and what is secret goes only by the other. The first byte of a
// connection tells which.
type either struct {
	inner net.Listener
	conf  *tls.Config
	now   func() time.Time
	ready chan net.Conn
	slots chan struct{}
	done  chan struct{}
	end   sync.Once
}

var _ net.Listener = (*either)(nil)

func newEither(inner net.Listener, conf *tls.Config, now func() time.Time) *either {
	l := &either{
		inner: inner, conf: conf, now: now, ready: make(chan net.Conn),
		slots: make(chan struct{}, maxConnections), done: make(chan struct{}),
	}
	go l.take()
	return l
}

// take takes connections until the listener is closed.
func (l *either) take() {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.done:
			return
		}
		c, err := l.inner.Accept()
		if err == nil {
			go l.sort(&peeked{Conn: c, closed: func() { <-l.slots }})
			continue
		}
		<-l.slots
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case <-time.After(acceptPause):
		case <-l.done:
			return
		}
	}
}

// sort finds out what a connection speaks.
func (l *either) sort(c *peeked) {
	if c.SetReadDeadline(l.now().Add(firstByteTime)) != nil || c.peek() != nil || c.SetReadDeadline(time.Time{}) != nil {
		_ = c.Close() // nobody waits for it
		return
	}
	var out net.Conn = c
	if c.first[0] == recordHandshake {
		out = tls.Server(c, l.conf)
	}
	select {
	case l.ready <- out:
	case <-l.done:
		_ = c.Close() // the server ends
	}
}

// Accept implements net.Listener.
func (l *either) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *either) Close() error {
	l.end.Do(func() { close(l.done) })
	return l.inner.Close()
}

// Addr implements net.Listener.
func (l *either) Addr() net.Addr { return l.inner.Addr() }

// peeked is a connection of which the first byte is known.
type peeked struct {
	net.Conn
	first  []byte // not read yet
	once   sync.Once
	closed func()
}

func (c *peeked) peek() error {
	b := make([]byte, 1)
	if _, err := c.Conn.Read(b); err != nil {
		return err
	}
	c.first = b
	return nil
}

// Read implements net.Conn.
func (c *peeked) Read(p []byte) (int, error) {
	if len(c.first) > 0 && len(p) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Close implements net.Conn.
func (c *peeked) Close() error {
	defer c.once.Do(c.closed)
	return c.Conn.Close()
}
