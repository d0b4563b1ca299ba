// Package segment is the network of a lab: an Ethernet segment inside this
// process, to which QEMU machines are attached by pairs of Unix datagram
// sockets, and a host of ours on it, the port "outside", with a TCP/IP stack
// of its own. It needs no rights, and nothing leads from it to the network of
// the host: frames stay between the ports, and what the stack of "outside"
// does is only what this process asks of it.
//
// "outside" has the addresses of the segment's gateways, gives out IPv4
// addresses by DHCP, and can be dialled from: [Segment.DialContext] from this
// process, [Segment.Forward] from the loopback interface. It is no router:
// packets for any other address are dropped.
package segment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Outside is the name of the port of our own host.
const Outside = "outside"

// MTU is the size in bytes of the largest IP packet that "outside" sends, that
// of Ethernet (RFC 894).
const MTU = 1500

// Config is a segment.
type Config struct {
	// Dir is the folder of the sockets, made if it is not there. Only one
	// segment can have it at a time.
	Dir string

	// Gateways are the addresses of "outside", each with the network that it is
	// in. The first IPv4 network is the one whose addresses are given to
	// machines without a lease.
	Gateways []netip.Prefix

	// Leases are the IPv4 addresses that DHCP gives, by MAC address. Each is in
	// the network of a gateway.
	Leases map[string]netip.Addr

	// DNS are the IPv4 addresses of the name servers that DHCP tells; none
	// means that it tells nothing.
	DNS []netip.Addr
}

// Segment is a segment that was started. Its functions may be called
// concurrently.
type Segment struct {
	dir    *os.File // the folder of the sockets
	fabric *fabric
	host   *host
	stop   func() bool // forgets the context
	closed chan struct{}

	mu      sync.Mutex
	err     error // set when no more ports and forwardings may be made
	sockets map[string]*socket
	relays  relays
	wg      sync.WaitGroup
}

var errClosed = errors.New("the segment is closed")

// Start makes a segment with no port but "outside". It ends with Close or when
// the context does.
func Start(ctx context.Context, cfg Config) (*Segment, error) {
	s, err := start(cfg)
	if err != nil {
		return nil, fmt.Errorf("starting segment: %w", err)
	}
	s.stop = context.AfterFunc(ctx, s.shut)
	return s, nil
}

func start(cfg Config) (*Segment, error) {
	if cfg.Dir == "" {
		return nil, errors.New("no folder given")
	}
	addresses, err := newLeases(cfg)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.Open(abs)
	if err != nil {
		return nil, err
	}
	s := &Segment{dir: dir, fabric: newFabric(), closed: make(chan struct{}), sockets: map[string]*socket{}}
	s.relays.open = map[closer]bool{}
	if s.host, err = newHost(s.fabric, cfg.Gateways); err != nil {
		_ = dir.Close() // nothing was written
		return nil, err
	}
	if err := s.host.serveDHCP(addresses); err != nil {
		s.host.close()
		_ = dir.Close()
		return nil, err
	}
	s.wg.Go(func() { s.fabric.table.age(s.closed) })
	return s, nil
}

// Port makes a port for a machine's network interface, or finds it, and
// returns the paths of its sockets: local is the machine's end, which QEMU
// makes each time it starts; remote is the segment's, which is there from now
// on. A machine may come, go and come back: frames for it are dropped while it
// is away. Names have letters, digits, "-" and ".".
//
// Paths are absolute and may be longer than a socket's path can be (107 bytes
// on Linux); package machine shortens them.
func (s *Segment) Port(name string) (local, remote string, err error) {
	fail := func(err error) (string, string, error) {
		return "", "", fmt.Errorf("making port %q: %w", name, err)
	}
	if name == "" || strings.ContainsFunc(name, notInName) {
		return fail(errors.New(`letters, digits, "-" and "." are allowed`))
	}
	if name == Outside {
		return fail(errors.New("that is the segment's own host"))
	}
	local = filepath.Join(s.dir.Name(), name+machineEnd)
	remote = filepath.Join(s.dir.Name(), name+segmentEnd)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return fail(s.err)
	}
	if s.sockets[name] != nil {
		return local, remote, nil
	}
	sock, err := newSocket(short(s.dir, name+machineEnd), short(s.dir, name+segmentEnd))
	if err != nil {
		return fail(err)
	}
	s.sockets[name] = sock
	p := s.fabric.add(name, sock)
	s.wg.Go(func() { sock.receive(func(frame []byte) { s.fabric.forward(p, frame) }) })
	s.wg.Go(func() { sock.drain(p) })
	return local, remote, nil
}

// The ends of a port's sockets' names. The longest name of a machine is 63
// bytes, as a label in DNS is.
const (
	machineEnd = ".vm"
	segmentEnd = ".sw"
)

func notInName(r rune) bool {
	return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// Close ends the segment: connections are broken, and sockets removed. When it
// returns nothing of the segment is left but its folder.
func (s *Segment) Close() error {
	s.stop()
	s.shut()
	<-s.closed
	s.wg.Wait()
	return nil
}

func (s *Segment) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = errClosed
	s.relays.close()
	for name, sock := range s.sockets {
		sock.close()
		for _, end := range []string{machineEnd, segmentEnd} {
			_ = os.Remove(short(s.dir, name+end)) // QEMU may have
		}
	}
	s.host.close()
	_ = s.dir.Close() // nothing was written
	close(s.closed)
}
