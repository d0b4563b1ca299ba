package segment_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab/segment"
)

var guestEcho = netip.MustParseAddrPort("192.0.2.10:80")

func forwarded(t testing.TB, s *segment.Segment, guest netip.AddrPort) netip.AddrPort {
	t.Helper()
	at, err := s.Forward(t.Context(), guest, netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	if !at.Addr().IsLoopback() || at.Port() == 0 {
		t.Fatalf("it listens on %s", at)
	}
	return at
}

func connect(t testing.TB, at netip.AddrPort) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// TestForwardHalves has several connections at a time. Each says all that it has
// to say and closes that direction; only then is it sure to hear the end. They
// are so few that what is on its way finds room in the machine's queue.
func TestForwardHalves(t *testing.T) {
	s := start(t, segment.Config{})
	boot(t, s, "a", "192.0.2.10/24").echo(80)
	at := forwarded(t, s, guestEcho)
	var wg sync.WaitGroup
	for range 6 {
		conn := connect(t, at)
		wg.Go(func() {
			sent := make([]byte, 200<<10)
			_, _ = rand.Read(sent)
			go func() {
				if _, err := conn.Write(sent); err != nil {
					t.Error(err)
				}
				if err := conn.CloseWrite(); err != nil {
					t.Error(err)
				}
			}()
			if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back, %v, want the %d that were sent", len(got), err, len(sent))
			}
		})
	}
	wg.Wait()
}

func TestForwardPort(t *testing.T) {
	s := start(t, segment.Config{})
	boot(t, s, "a", "192.0.2.10/24").echo(80)
	free := forwarded(t, s, guestEcho)
	if _, err := s.Forward(t.Context(), guestEcho, free); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port in use: %v", err)
	}
	own, err := s.Forward(t.Context(), guestEcho, netip.MustParseAddrPort("127.0.0.3:0"))
	if err != nil || own.Addr() != netip.MustParseAddr("127.0.0.3") {
		t.Fatalf("got %s, %v, want an address of 127.0.0.3", own, err)
	}
	says(t, connect(t, own), "own address")
	for want, c := range map[string][2]netip.AddrPort{
		"0.0.0.0 is not a loopback address":   {guestEcho, netip.MustParseAddrPort("0.0.0.0:0")},
		"192.0.2.1 is not a loopback address": {guestEcho, netip.MustParseAddrPort("192.0.2.1:80")},
		"not an address to connect to":        {netip.MustParseAddrPort("192.0.2.10:0")},
		"invalid AddrPort":                    {},
	} {
		if at, err := s.Forward(t.Context(), c[0], c[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %s, %v, want %q", at, err, want)
		}
	}
}

// TestForwardNobody has nobody listening behind a forwarded port: who connects
// must not take that for an answer.
func TestForwardNobody(t *testing.T) {
	t.Parallel()
	s := start(t, segment.Config{})
	boot(t, s, "a", "192.0.2.10/24")
	for _, guest := range []string{"192.0.2.10:80", "192.0.2.11:80"} {
		at := forwarded(t, s, netip.MustParseAddrPort(guest))
		conn, err := net.Dial("tcp", at.String())
		if err == nil { // else it was reset already
			_ = conn.SetDeadline(time.Now().Add(soon))
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: got %v, want a reset", guest, err)
		}
	}
}

// TestForwardClosing closes the segment while a connection is being made.
func TestForwardClosing(t *testing.T) {
	s := start(t, segment.Config{})
	conn := connect(t, forwarded(t, s, guestEcho))
	if _, err := fmt.Fprint(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(quiet)
	begin := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("closing took %s", took)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}
