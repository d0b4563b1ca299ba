package segment

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxStations is how many addresses are known at a time. Frames for others
	// go to all ports.
	maxStations = 4096
	// ageTick is how often addresses get older, and maxAge how many ticks after
	// its last frame one is forgotten: after 300 seconds (IEEE 802.1D, table
	// 7-5), or up to a tick later.
	ageTick = 30 * time.Second
	maxAge  = 10
)

// table says behind which port an address is.
type table struct {
	mu    sync.RWMutex
	ports map[mac]*station
	now   atomic.Uint32 // in ticks
}

type station struct {
	port *port
	seen atomic.Uint32 // when, in ticks
	kept bool          // never learned anew nor forgotten
}

// keep knows an address for ever.
func (t *table) keep(m mac, p *port) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ports[m] = &station{port: p, kept: true}
}

// learn notes where an address was seen.
func (t *table) learn(m mac, p *port) {
	now := t.now.Load()
	t.mu.RLock()
	s := t.ports[m]
	if s != nil && (s.port == p || s.kept) {
		if s.seen.Load() != now {
			s.seen.Store(now)
		}
		t.mu.RUnlock()
		return
	}
	t.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.ports[m]; s == nil && len(t.ports) >= maxStations || s != nil && s.kept {
		return
	}
	s = &station{port: p}
	s.seen.Store(now)
	t.ports[m] = s
}

// find returns the port of an address, nil if it is not known.
func (t *table) find(m mac) *port {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if s := t.ports[m]; s != nil {
		return s.port
	}
	return nil
}

// age forgets addresses until done.
func (t *table) age(done <-chan struct{}) {
	tick := time.NewTicker(ageTick)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			t.older()
		}
	}
}

// older is one tick.
func (t *table) older() {
	now := t.now.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	for m, s := range t.ports {
		if !s.kept && now-s.seen.Load() > maxAge {
			delete(t.ports, m)
		}
	}
}
