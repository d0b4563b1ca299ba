package etcd

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pulse is what the other members show of one member over some time: whether
// it lives somewhere, perhaps on another machine with the same identity.
type pulse struct {
	id    ID
	first time.Time // of the observations
	seen  int
	alive bool // when it was last looked at
	// lifeFrom and lifeTo are the last stretch in which it was alive.
	lifeFrom, lifeTo time.Time
	bytes            map[string]float64 // received from it, by who did
	twin             bool               // it was alive for so long that it is no leftover of a connection
}

// sight is what one other member shows.
type sight struct {
	member  Member
	healthy bool // in touch with a quorum
	told    bool // its metrics could be read
	active  bool // it has connections to the member
	bytes   float64
}

// look asks all other members at once.
func (k *Keeper) look(ctx context.Context, t *trust, list []Member, id ID) []sight {
	var others []sight
	for _, m := range list {
		if m.ID != id && m.started() {
			others = append(others, sight{member: m})
		}
	}
	var all sync.WaitGroup
	for i := range others {
		s := &others[i]
		all.Go(func() {
			s.healthy = k.at(t, s.member.ClientURLs[0]).quorum(ctx) == nil
			text, _, err := k.web().do(ctx, nil, http.MethodGet, k.metricsURL(s.member), nil)
			if s.told = err == nil; s.told {
				s.active, s.bytes = connections(text, id)
			}
		})
	}
	all.Wait()
	return others
}

// metricsURL is where a member serves metrics: at the same port everywhere.
func (k *Keeper) metricsURL(m Member) string {
	client, err := url.Parse(m.ClientURLs[0])
	own, ownErr := url.Parse(k.facts.Me().MetricsURL)
	if err != nil || ownErr != nil {
		return ""
	}
	own.Host = net.JoinHostPort(client.Hostname(), own.Port())
	return own.String()
}

// connections reads from a member's metrics whether it has connections to
// another, and how many bytes it got from it. A connection whose other end has
// gone is closed after 5 seconds (etcd, server/etcdserver/api/rafthttp,
// ConnReadTimeout), because heartbeats are missing.
func connections(metrics []byte, id ID) (active bool, received float64) {
	for lines := bufio.NewScanner(bytes.NewReader(metrics)); lines.Scan(); {
		line := lines.Text()
		name, rest, ok := strings.Cut(line, "{")
		labels, value, ok2 := strings.Cut(rest, "}")
		if !ok || !ok2 {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		switch {
		case err != nil:
		case name == "etcd_network_active_peers" && strings.Contains(labels, `Remote="`+id.String()+`"`):
			active = active || n > 0
		case name == "etcd_network_peer_received_bytes_total" && strings.Contains(labels, `From="`+id.String()+`"`):
			received += n
		}
	}
	return active, received
}

// note adds an observation and reports whether the member showed life.
func (p *pulse) note(now time.Time, others []sight, twinAfter time.Duration) bool {
	if !slices.ContainsFunc(others, func(s sight) bool { return s.told }) {
		p.first, p.seen = now, 0 // nothing was seen
		return false
	}
	alive := false
	for _, s := range others {
		before, known := p.bytes[s.member.ID.String()]
		alive = alive || s.told && (s.active || known && s.bytes > before)
		if s.told {
			p.bytes[s.member.ID.String()] = s.bytes
		}
	}
	p.seen++
	if alive {
		if !p.alive {
			p.lifeFrom = now
		}
		p.lifeTo = now
		p.twin = p.twin || now.Sub(p.lifeFrom) > twinAfter
	}
	p.alive = alive
	return alive
}

// gone reports whether the member showed no life for long enough.
func (p *pulse) gone(now time.Time, window, twinQuiet time.Duration) bool {
	since := p.first
	if p.lifeTo.After(since) {
		since = p.lifeTo
	}
	if p.twin {
		window = max(window, twinQuiet)
	}
	return p.seen >= 3 && now.Sub(since) >= window
}
