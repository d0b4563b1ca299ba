package cluster_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// How ports are tried. A machine without KVM refuses some thousand connections
// a second.
const (
	scanAtOnce   = 200
	scanPatience = 8 * time.Second  // in which lost packets are sent again
	scanRest     = 20 * time.Second // what all ports may cost more
	udpPatience  = 6 * time.Second  // Linux refuses once a second to the same address
)

// scan tries TCP ports of an address from outside, and returns those that are
// open, in order: all of the first, and the rest if by their pace it does not
// take too long.
func (s *suite) scan(t *testing.T, address string, first, rest []int) []int {
	t.Helper()
	began := time.Now()
	found, silent := s.tryAll(t, address, first, scanAtOnce)
	took := time.Since(began)
	pace := time.Duration(0)
	if len(first) > 0 {
		pace = took / time.Duration(len(first))
	}
	tried := len(first)
	if expected := pace * time.Duration(len(rest)); len(rest) > 0 && expected > scanRest {
		t.Logf("%s: %d ports from %d on are not tried: that would take %.0f s", address, len(rest), rest[0], expected.Seconds())
	} else {
		more, lost := s.tryAll(t, address, rest, scanAtOnce)
		found, silent, tried = append(found, more...), append(silent, lost...), tried+len(rest)
	}
	// Packets were lost, or are dropped.
	more, silent := s.tryAll(t, address, silent, 8)
	found = append(found, more...)
	if len(silent) > 0 {
		t.Logf("%s: no answer from %d ports: %v", address, len(silent), silent[:min(len(silent), 20)])
	}
	if len(silent) > 10 {
		t.Errorf("%s: no answer from %d of %d ports: nothing is known of them", address, len(silent), tried)
	}
	slices.Sort(found)
	t.Logf("%s: %d TCP ports tried in %.1f s, open: %v", address, tried, time.Since(began).Seconds(), found)
	return found
}

// tryAll tries ports, so many at a time. Silent ones neither accept nor refuse.
func (s *suite) tryAll(t *testing.T, address string, ports []int, atOnce int) (open, silent []int) {
	t.Helper()
	var mu sync.Mutex
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(atOnce, len(ports)) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(ports) {
					return
				}
				err := s.try1(t.Context(), address, ports[i])
				mu.Lock()
				switch {
				case err == nil:
					open = append(open, ports[i])
				case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
					silent = append(silent, ports[i])
				case !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET):
					t.Errorf("port %d: %v", ports[i], err)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return open, silent
}

// try1 connects to a port and hangs up.
func (s *suite) try1(ctx context.Context, address string, port int) error {
	ctx, cancel := context.WithTimeout(ctx, scanPatience)
	defer cancel()
	conn, err := s.lab.Segment().DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}

// scanUDP tries the UDP ports of the listeners, and with thorough some that
// machines answer at without anybody having meant to: time, RPC, SNMP, service
// discovery and tunnels. Closed ones are refused; one that is open stays silent
// to what makes no sense to it.
func (s *suite) scanUDP(t *testing.T, address string, opened map[port]string, thorough bool) {
	t.Helper()
	ports := []int{5355, 10250}
	if thorough {
		ports = append(ports, 69, 111, 123, 161, 1900, 4789, 5353, 8472, 51820, nodePort)
	}
	for _, l := range s.listeners(t) {
		if l.Proto == "udp" && l.Port != 0 {
			ports = append(ports, l.Port)
		}
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	var found []int
	for _, n := range ports { // one after the other: refusals are rationed
		_, expected := opened[port{"udp", n}]
		refused, err := s.refusesUDP(t.Context(), address, n, expected)
		if err != nil {
			t.Errorf("%s: port %d/udp: %v", address, n, err)
		}
		if !refused {
			found = append(found, n)
		}
	}
	t.Logf("%s: %d UDP ports tried, open: %v", address, len(ports), found)
	compare(t, address+" from outside, UDP", "udp", found, opened)
}

// refusesUDP sends datagrams until one is refused or answered, or for long
// enough. Those that are expected to be open are not waited for that long.
func (s *suite) refusesUDP(ctx context.Context, address string, number int, expected bool) (bool, error) {
	to, err := netip.ParseAddr(address)
	if err != nil {
		return false, err
	}
	conn, err := s.lab.Segment().DialContext(ctx, "udp", netip.AddrPortFrom(to, uint16(number)).String())
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	tries := int(udpPatience / time.Second)
	if expected {
		tries = 3
	}
	answer := make([]byte, 2000)
	for range tries {
		if _, err := conn.Write([]byte("ingot?\n")); err != nil {
			if strings.Contains(err.Error(), "refused") {
				return true, nil
			}
			return false, err
		}
		// A refusal does not wake who waits: it is there at the next look.
		for range 4 {
			if err := conn.SetReadDeadline(time.Now().Add(250 * time.Millisecond)); err != nil {
				return false, err
			}
			_, err := conn.Read(answer)
			var timeout net.Error
			switch {
			case err == nil:
				return false, nil // somebody is there
			case strings.Contains(err.Error(), "refused"):
				return true, nil
			case !errors.As(err, &timeout) || !timeout.Timeout():
				return false, err
			}
		}
	}
	return false, nil
}
