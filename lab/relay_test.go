package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echo is a backend that says its name and then what it is told.
type echo struct {
	net.Listener
	name string
	down atomic.Bool
}

func newEcho(t *testing.T, name string) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	e := &echo{Listener: listener, name: name}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = fmt.Fprintf(conn, "%s\n", name)
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					_, _ = fmt.Fprintf(conn, "%s says %s\n", name, lines.Text())
				}
				_, _ = fmt.Fprintf(conn, "%s heard the end\n", name)
			}()
		}
	}()
	return e
}

func (e *echo) backend() *backend {
	return &backend{name: e.name, dial: func(ctx context.Context) (net.Conn, error) {
		if e.down.Load() {
			<-ctx.Done() // like a machine without power: nothing comes back
			return nil, ctx.Err()
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", e.Addr().String())
	}}
}

// call opens a connection and returns it with who answers.
func call(t *testing.T, r *relay) (net.Conn, *bufio.Reader, string) {
	t.Helper()
	conn, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	name, _ := lines.ReadString('\n') // empty where nobody answers
	return conn, lines, strings.TrimSpace(name)
}

func TestRelay(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, b := newEcho(t, "a"), newEcho(t, "b")
	r := newRelay(listener, []*backend{a.backend(), b.backend()})
	r.wait = 50 * time.Millisecond
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve(t.Context())
	}()

	conn, lines, name := call(t, r)
	if name != "a" {
		t.Errorf("%q answers, want the first", name)
	}
	_, _ = fmt.Fprint(conn, "hello\n")
	if got, err := lines.ReadString('\n'); got != "a says hello\n" {
		t.Errorf("%q, %v", got, err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := lines.ReadString('\n'); got != "a heard the end\n" {
		t.Errorf("after the end of one direction: %q, %v", got, err)
	}

	_, lines, _ = call(t, r)
	a.down.Store(true)
	if _, _, name := call(t, r); name != "b" {
		t.Errorf("with a machine down, %q answers, want the next", name)
	}
	r.judge("a", false)
	short := make(chan error, 1)
	go func() {
		_, err := lines.ReadString('\n')
		short <- err
	}()
	select {
	case err := <-short:
		t.Errorf("one bad answer ends a connection: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	r.judge("a", false)
	if err := <-short; err == nil {
		t.Error("the connection to a machine that is gone goes on")
	}

	a.down.Store(false)
	r.judge("b", true)
	if _, _, name := call(t, r); name != "b" {
		t.Errorf("%q answers, want the one that is healthy", name)
	}
	r.judge("a", true)
	if _, _, name := call(t, r); name != "a" {
		t.Errorf("%q answers, want the first that is healthy", name)
	}

	a.down.Store(true)
	b.down.Store(true)
	if _, _, name := call(t, r); name != "" {
		t.Errorf("with all machines down, %q answers", name)
	}
	b.down.Store(false)
	_, lines, _ = call(t, r)
	r.close()
	<-done
	if _, err := lines.ReadString('\n'); err == nil {
		t.Error("a connection outlives the relay")
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the end: %v", err)
	}
}
