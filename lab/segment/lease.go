package segment

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// leases says who has which address. An address once given stays with its MAC
// address; they are chosen such that, as long as there are few, another
// segment chooses the same.
type leases struct {
	gateways []netip.Prefix // of IPv4
	dns      []netip.Addr

	mu    sync.Mutex
	given map[mac]netip.Addr
	taken map[netip.Addr]bool
}

func newLeases(cfg Config) (*leases, error) {
	l := &leases{dns: cfg.DNS, given: map[mac]netip.Addr{}, taken: map[netip.Addr]bool{}}
	for _, g := range cfg.Gateways {
		l.taken[g.Addr()] = true
		if g.Addr().Is4() {
			l.gateways = append(l.gateways, g)
		}
	}
	for _, a := range cfg.DNS {
		if !a.Is4() {
			return nil, fmt.Errorf("name server %q is no IPv4 address", a)
		}
		l.taken[a] = true
	}
	names := make([]string, 0, len(cfg.Leases))
	for name := range cfg.Leases {
		names = append(names, name)
	}
	slices.Sort(names) // always the same error
	for _, name := range names {
		if err := l.fix(name, cfg.Leases[name]); err != nil {
			return nil, fmt.Errorf("lease of %q: %w", name, err)
		}
	}
	return l, nil
}

// fix notes a lease of the configuration.
func (l *leases) fix(name string, a netip.Addr) error {
	m, err := parseMAC(name)
	if err != nil {
		return err
	}
	if _, ok := l.network(a); !ok {
		var known []string
		for _, g := range l.gateways {
			known = append(known, g.Masked().String())
		}
		return fmt.Errorf("%s is in no IPv4 network of the gateways (%s)", a, strings.Join(known, ", "))
	}
	if l.taken[a] {
		return fmt.Errorf("%s has been given already", a)
	}
	if _, twice := l.given[m]; twice {
		return fmt.Errorf("the address was spelled in two ways")
	}
	l.given[m], l.taken[a] = a, true
	return nil
}

// network is the gateway in whose network a host's address is.
func (l *leases) network(a netip.Addr) (netip.Prefix, bool) {
	for _, g := range l.gateways {
		if g.Contains(a) && usable(g, a) {
			return g, true
		}
	}
	return netip.Prefix{}, false
}

// usable reports whether a host can have an address of a network: all but the
// first and the last.
func usable(g netip.Prefix, a netip.Addr) bool {
	return a != g.Masked().Addr() && g.Contains(a.Next())
}

// maxPool is how many addresses are given to machines without a lease.
const maxPool = 1 << 12

// of returns the address of a machine, of the pool if it has none yet. There
// is none when the pool is used up.
func (l *leases) of(m mac) (netip.Addr, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, ok := l.given[m]; ok {
		return a, true
	}
	if len(l.gateways) == 0 || len(l.given) >= maxPool {
		return netip.Addr{}, false
	}
	g := l.gateways[0]
	start := g.Masked().Addr().As4()
	first := binary.BigEndian.Uint32(start[:])
	size := uint64(1) << (32 - g.Bits())
	hash := fnv.New64a()
	_, _ = hash.Write(m[:]) // it cannot fail
	for i := range size {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], first+uint32((hash.Sum64()+i)%size))
		if a := netip.AddrFrom4(b); usable(g, a) && !l.taken[a] {
			l.given[m], l.taken[a] = a, true
			return a, true
		}
	}
	return netip.Addr{}, false
}
