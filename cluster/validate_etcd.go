package cluster

import (
	"net/netip"
	"time"
)

// Limits of etcd itself (etcd, server/embed/config.go): the election timeout
// is at least five heartbeats and at most 50 seconds.
const (
	minElectionBeats   = 5
	maxElectionTimeout = 50 * time.Second
	minHeartbeat       = 10 * time.Millisecond
)

func (v *validator) checkEtcd() {
	beat, election := v.def.Etcd.HeartbeatInterval.Std(), v.def.Etcd.ElectionTimeout.Std()
	const beatPath, electionPath = "etcd.heartbeatInterval", "etcd.electionTimeout"
	whole := true
	for _, span := range []struct {
		path  string
		value time.Duration
	}{{beatPath, beat}, {electionPath, election}} {
		if span.value%time.Millisecond != 0 {
			whole = false
			v.errorf(span.path, "%s is not a whole number of milliseconds, which is what etcd counts in", Duration(span.value))
		}
	}
	if !whole {
		return
	}
	if beat < minHeartbeat {
		v.errorf(beatPath, "%s is shorter than a round trip can be relied on to take; at least %s", Duration(beat), Duration(minHeartbeat))
	}
	if election > maxElectionTimeout {
		v.errorf(electionPath, "%s is too long: etcd allows at most %s", Duration(election), Duration(maxElectionTimeout))
	} else if election < minElectionBeats*beat {
		path := electionPath
		if !v.given(path) {
			path = beatPath
		}
		v.errorf(path, "the election timeout %s is less than five times the heartbeat interval %s, the least that etcd allows", Duration(election), Duration(beat))
	}
}

// checkDNS checks the resolvers behind the cluster's own DNS.
func (v *validator) checkDNS() { v.checkResolvers("dns.upstream", v.def.DNS.Upstream) }

func (v *validator) checkResolvers(path string, list []string) {
	once := seen{}
	each(path, list, func(at, s string) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			v.errorf(at, "%s is not an IP address; a resolver is given by its address, without a port", quoted(s))
			return
		}
		if problem := addressProblem(a); problem != "" {
			v.errorf(at, "%s", problem)
			return
		}
		for _, p := range v.services {
			if p.Contains(a) {
				v.errorf(at, "%s lies in kubernetes.serviceCIDR %s: the cluster's DNS would ask itself; want a resolver outside", a, p)
			}
		}
		v.once(once, a.String(), at, "the resolver "+a.String())
	})
}
