package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// member is what etcd says of itself (etcdserverpb.StatusResponse, as etcd's
// gateway writes it in JSON: numbers of 64 bits are strings).
type member struct {
	Header struct {
		MemberID string `json:"member_id"`
	} `json:"header"`
	Version   string   `json:"version"`
	Leader    string   `json:"leader"`
	IsLearner bool     `json:"isLearner"`
	Errors    []string `json:"errors"`
}

// etcdMember asks the node's own member how it is, and all members whether they
// are healthy.
func (p *Prober) etcdMember(ctx context.Context) finding {
	const look = "journalctl -b -u etcd.service -u ingot-etcd.service"
	var own member
	var ownErr error
	var wait sync.WaitGroup
	wait.Go(func() { own, ownErr = p.etcdStatus(ctx) })
	healthy, missing, total := p.health(ctx)
	wait.Wait()
	word := fmt.Sprintf("%d/%d", healthy, total)
	switch {
	case ownErr != nil:
		return finding{Failed, "the member of this node: " + why(ownErr), look, word}
	case own.IsLearner:
		return finding{Waiting, "learns what the others have, and becomes a member then", look, "learner"}
	case len(own.Errors) > 0:
		return finding{Failed, "it complains: " + strings.Join(own.Errors, "; "), "etcdctl alarm list", word}
	case own.Leader == "" || own.Leader == "0":
		return finding{Failed, fmt.Sprintf("there is no leader: %d of %d members are healthy", healthy, total), "start more of the controllers", word}
	}
	text := fmt.Sprintf("etcd %s, %d of %d members are healthy", own.Version, healthy, total)
	if own.Leader == own.Header.MemberID {
		text += ", this one leads"
	}
	if len(missing) > 0 {
		text += "; not " + strings.Join(missing, ", ")
	}
	return finding{OK, text, "", word}
}

// clientPort is the port of etcd's clients, which is the same on all members.
func (p *Prober) clientPort() string {
	for _, endpoint := range p.facts.Etcd.Endpoints {
		if u, err := url.Parse(endpoint); err == nil && u.Port() != "" {
			return u.Port()
		}
	}
	return "2379"
}

func (p *Prober) etcdStatus(ctx context.Context) (member, error) {
	at := "https://" + net.JoinHostPort("127.0.0.1", p.clientPort()) + "/v3/maintenance/status"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader("{}"))
	if err != nil {
		return member{}, err
	}
	data, err := fetch(p.etcd, req)
	if err != nil {
		return member{}, err
	}
	var m member
	if err := json.Unmarshal(data, &m); err != nil {
		return member{}, fmt.Errorf("reading etcd's answer: %w", err)
	}
	return m, nil
}

// health asks all members of the definition, and the node itself where it is a
// spare, at their port of metrics.
func (p *Prober) health(ctx context.Context) (healthy int, missing []string, total int) {
	var hosts []string
	for _, c := range p.facts.API.Controllers {
		if host, _, err := net.SplitHostPort(c); err == nil {
			hosts = append(hosts, host)
		}
	}
	if own := p.facts.Address().String(); !slices.Contains(hosts, own) {
		hosts = append(hosts, own)
	}
	ok := make([]bool, len(hosts))
	var wait sync.WaitGroup
	for i, host := range hosts {
		wait.Go(func() {
			data, err := get(ctx, p.members, "http://"+net.JoinHostPort(host, strconv.Itoa(p.facts.Etcd.MetricsPort))+"/health")
			var said struct {
				Health string `json:"health"`
			}
			ok[i] = err == nil && json.Unmarshal(data, &said) == nil && said.Health == "true"
		})
	}
	wait.Wait()
	for i, host := range hosts {
		if ok[i] {
			healthy++
		} else {
			missing = append(missing, p.nameOf(host))
		}
	}
	return healthy, missing, len(hosts)
}

// nameOf is the name of the node with an address in the mesh.
func (p *Prober) nameOf(host string) string {
	if host == p.facts.Address().String() {
		return p.facts.Name
	}
	for _, peer := range p.facts.Peers {
		if addr, err := netip.ParseAddr(host); err == nil && slices.Contains(peer.Addresses, addr) {
			return peer.Name
		}
	}
	return host
}
