package cluster_test

import (
	"net"
	"net/http"
	"strconv"
	"testing"
)

// Certificates of identities, without ".crt" and ".key".
const (
	kubelet       = "/etc/kubernetes/pki/kubelet-client"
	proxy         = "/etc/kubernetes/pki/proxy"
	dns           = "/etc/kubernetes/pki/dns"
	metrics       = "/etc/kubernetes/pki/metrics"
	schedulerCert = "/etc/kubernetes/pki/scheduler"
	frontProxy    = "/etc/kubernetes/pki/front-proxy-client"
	etcdServer    = "/etc/etcd/pki/server"
	etcdPeer      = "/etc/etcd/pki/peer"
)

// asking is one request, and the status that it must get.
type asking struct {
	method, path string
	header, body string // "Name: value" in lines
	want         int
}

func get(want int, path string) asking { return asking{http.MethodGet, path, "", "", want} }

// with is get with headers.
func with(want int, path, header string) asking {
	return asking{http.MethodGet, path, header, "", want}
}

// Headers of who claims to be somebody else.
const (
	asMaster = "X-Remote-User: admin\nX-Remote-Group: system:masters"
	asAdmin  = "Impersonate-User: admin\nImpersonate-Group: ingot:admins"
)

// someSecrets, and a Secret that no pod of a node has.
const (
	allSecrets = "/api/v1/secrets"
	aSecret    = "/api/v1/namespaces/kube-system/secrets/x"
)

// probe is what one client asks one server over one connection. A probe of a
// server that asks for a certificate before anything else has no requests: TLS
// itself must be refused.
type probe struct {
	what, from, address string
	who                 credentials
	asks                []asking
}

// probes are all of them. Every server is asked something that it grants, too:
// a refusal that anybody would get says nothing.
func (s *suite) probes(t *testing.T) []probe {
	const from, to = "lab1", "lab0"
	c := s.cast(t, from, to)
	out := append(s.apiProbes(c, from, to), s.kubeletProbes(c, from, to)...)
	out = append(out, s.etcdProbes(c, from, to)...)
	return append(out, s.otherProbes(c, from, to)...)
}

// at is an address of a node in the mesh.
func (s *suite) at(node string, port int) string {
	return net.JoinHostPort(s.addressOf(node).String(), strconv.Itoa(port))
}

// local is an address of a node on loopback.
func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (s *suite) apiProbes(c *cast, from, to string) []probe {
	api := s.at(to, s.def.Def.API.Port)
	nodes := get(http.StatusUnauthorized, "/api/v1/nodes")
	own, other := "/api/v1/nodes/"+from, "/api/v1/nodes/"+to
	return []probe{
		{"the anonymous", from, api, c.nobody, []asking{
			get(200, "/readyz"), get(401, "/version"), get(401, "/metrics"), nodes, get(401, "/haproxy?stats"),
			with(401, allSecrets, asMaster), with(401, allSecrets, "Authorization: Bearer x"),
		}},
		{"the anonymous, by the endpoint of the node", from, local(s.def.Def.API.LocalPort), c.nobody, []asking{get(200, "/readyz"), nodes, get(401, "/stats")}},
		{"the anonymous, by the virtual address", from, net.JoinHostPort(s.def.VIP.String(), strconv.Itoa(s.def.Def.API.Port)), c.nobody, []asking{get(200, "/readyz"), nodes}},
		{"an authority that nobody knows", from, api, c.foreign, []asking{nodes}},
		{"the authority of etcd", from, api, c.etcdServer, []asking{nodes, with(401, allSecrets, asMaster)}},
		{"a certificate for servers", from, api, c.metrics, []asking{nodes}},
		{"a kubelet", from, api, c.kubelet, []asking{
			get(200, own), get(403, other), get(403, "/api/v1/nodes"),
			get(200, "/api/v1/pods?fieldSelector=spec.nodeName%3D"+from), get(403, "/api/v1/pods?fieldSelector=spec.nodeName%3D"+to), get(403, "/api/v1/pods"),
			get(403, allSecrets), get(403, aSecret), with(403, allSecrets, asMaster), with(403, allSecrets, asAdmin),
			{http.MethodPatch, other + "?dryRun=All", mergePatch, `{"metadata":{"labels":{"example.com/x":"y"}}}`, 403},
			{http.MethodPatch, own + "?dryRun=All", mergePatch, `{"metadata":{"labels":{"example.com/x":"y"}}}`, 200},
			{http.MethodPatch, own + "?dryRun=All", mergePatch, `{"metadata":{"labels":{"node-restriction.kubernetes.io/x":"y"}}}`, 403},
		}},
		{"kube-proxy", from, api, c.proxy, []asking{get(200, "/api/v1/services?limit=1"), get(403, allSecrets)}},
		{"the cluster's DNS", from, api, c.dns, []asking{
			get(200, "/api/v1/services?limit=1"), get(403, allSecrets),
			{http.MethodPost, "/api/v1/namespaces/default/configmaps?dryRun=All", "Content-Type: application/json", `{"metadata":{"name":"x"}}`, 403},
		}},
		{"the scheduler", from, api, c.scheduler, []asking{get(200, "/api/v1/pods?limit=1"), get(403, allSecrets)}},
		// Who is root on a controller has this key, and may speak for anybody: that
		// is what it is for (docs/explanation/pki.md). By itself it is nobody.
		{"the front proxy", from, api, c.frontProxy, []asking{nodes, with(200, "/api/v1/nodes?limit=1", asMaster)}},
	}
}

const mergePatch = "Content-Type: application/merge-patch+json"

func (s *suite) kubeletProbes(c *cast, from, to string) []probe {
	at := s.at(to, s.def.Def.Kubernetes.Kubelet.Port)
	return []probe{
		{"the anonymous", from, at, c.nobody, []asking{get(401, "/pods"), get(401, "/metrics"), get(401, "/healthz"), get(401, "/runningpods/")}},
		{"an authority that nobody knows", from, at, c.foreign, []asking{get(401, "/pods")}},
		{"the authority of etcd", from, at, c.etcdServer, []asking{get(401, "/pods")}},
		{"the kubelet of another node", from, at, c.kubelet, []asking{get(403, "/pods"), get(403, "/metrics"), get(403, "/logs/")}},
		{"kube-proxy", from, at, c.proxy, []asking{get(403, "/pods")}},
		{"an admin", from, at, c.admin, []asking{get(200, "/healthz"), get(200, "/pods"), get(405, "/debug/pprof/"), get(405, "/logs/")}},
	}
}

func (s *suite) etcdProbes(c *cast, from, to string) []probe {
	var out []probe
	e := &s.def.Def.Etcd
	for what, who := range map[string]credentials{
		"the anonymous": c.nobodyOfEtcd, "an authority that nobody knows": c.foreign, "a kubelet": c.kubelet,
		"a spare": c.spare, "an admin of Kubernetes": c.admin, "the front proxy": c.frontProxy,
	} {
		out = append(out, probe{what, from, s.at(to, e.ClientPort), who.trusting(c.nobodyOfEtcd), nil})
	}
	for what, who := range map[string]credentials{"the anonymous": c.nobodyOfEtcd, "a kubelet": c.kubelet} {
		out = append(out, probe{what, from, s.at(to, e.PeerPort), who.trusting(c.nobodyOfEtcd), nil})
	}
	return append(
		out,
		probe{"another member", from, s.at(to, e.ClientPort), c.etcdServer.trusting(c.nobodyOfEtcd), []asking{get(200, "/version"), get(200, "/health")}},
		probe{"another member", from, s.at(to, e.PeerPort), c.etcdPeer, []asking{get(200, "/version")}},
		// Plain, for the mesh alone, and with nothing of the data.
		probe{"anybody", from, s.at(to, e.MetricsPort), plain, []asking{
			get(200, "/health"), get(200, "/metrics"), get(404, "/v2/keys"), get(404, "/debug/pprof/"),
			{http.MethodPost, "/v3/kv/range", "Content-Type: application/json", `{"key":"AA==","range_end":"AA=="}`, 404},
		}},
	)
}

// otherProbes are those of what listens on loopback, and of metrics.
func (s *suite) otherProbes(c *cast, from, to string) []probe {
	var out []probe
	for what, port := range map[string]int{"kube-controller-manager": 10257, "kube-scheduler": 10259} {
		// Their own certificate is made in memory, and known to nobody.
		at := local(port)
		out = append(
			out,
			probe{what + ": the anonymous", to, at, c.nobody.careless(), []asking{get(200, "/healthz"), get(403, "/metrics"), get(403, "/configz")}},
			probe{what + ": an authority that nobody knows", to, at, c.foreign.careless(), []asking{get(401, "/metrics")}},
			probe{what + ": a kubelet", to, at, c.kubelet.careless(), []asking{get(403, "/metrics")}},
			probe{what + ": an admin", to, at, c.admin.careless(), []asking{get(200, "/metrics"), get(404, "/debug/pprof/")}},
		)
	}
	return append(
		out,
		probe{"kube-proxy: its node", to, local(10249), plain, []asking{get(200, "/healthz"), get(200, "/metrics"), get(404, "/debug/pprof/")}},
		probe{"kube-proxy's health: its node", to, local(10256), plain, []asking{get(200, "/healthz"), get(404, "/metrics")}},
		probe{"the kubelet's health: its node", to, local(10248), plain, []asking{get(200, "/healthz"), get(404, "/pods")}},
		probe{"CoreDNS: the mesh", from, s.at(to, 9153), plain, []asking{get(200, "/metrics"), get(404, "/debug/pprof/")}},
		probe{"node-exporter: the mesh", from, s.at(to, 9100), c.nobody, []asking{get(200, "/metrics")}},
		probe{"node-exporter: without TLS", from, s.at(to, 9100), plain, []asking{get(400, "/metrics")}},
		probe{"kube-apiserver: without TLS", from, s.at(to, s.def.Def.API.Port), plain, []asking{get(400, "/readyz")}},
		probe{"the kubelet: without TLS", from, s.at(to, s.def.Def.Kubernetes.Kubelet.Port), plain, []asking{get(400, "/pods")}},
	)
}
