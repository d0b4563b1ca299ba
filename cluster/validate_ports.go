package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// listener is a port that something of Ingot listens on. Any node may have any
// role one day, so all of them are held against each other, whatever address
// they are bound to.
type listener struct {
	port int
	what string
	path string // the field that sets it; empty for a fixed port
}

// listeners lists the ports of a node that has every role.
func (v *validator) listeners() []listener {
	d := v.def
	list := []listener{
		{d.Mesh.Port, "the mesh", "mesh.port"},
		{d.API.Port, "kube-apiserver", "api.port"},
		{d.API.LocalPort, "the local balancer", "api.localPort"},
		{d.Etcd.ClientPort, "etcd's clients", "etcd.clientPort"},
		{d.Etcd.PeerPort, "etcd's peers", "etcd.peerPort"},
		{d.Etcd.MetricsPort, "etcd's metrics", "etcd.metricsPort"},
		{d.Kubernetes.Kubelet.Port, "the kubelet", "kubernetes.kubelet.port"},
		{22, "SSH", ""},
		{53, "DNS", ""},
		{9153, "the metrics of DNS", ""},
		{10248, "the kubelet's health", ""},
		{10249, "kube-proxy's metrics", ""},
		{10256, "kube-proxy's health", ""},
		{10257, "kube-controller-manager", ""},
		{10259, "kube-scheduler", ""},
	}
	if *d.Features.NodeExporter {
		list = append(list, listener{9100, "node-exporter", ""})
	}
	return list
}

func (v *validator) checkPorts() {
	list := v.listeners()
	for i, a := range list {
		for _, b := range list[i+1:] {
			if a.port != b.port {
				continue
			}
			at, other := b, a
			if b.path == "" || v.given(a.path) && !v.given(b.path) {
				at, other = a, b
			}
			name := other.path
			if name == "" {
				name = "which cannot be changed"
			}
			v.errorf(at.path, "port %d is that of %s (%s); every port of a node needs to differ", at.port, other.what, name)
		}
	}
	low, high, ok := v.nodePorts()
	if !ok {
		return
	}
	var inside []string
	for _, l := range list {
		if l.port < low || l.port > high {
			continue
		}
		at := l.path
		if at == "" || v.given("kubernetes.nodePorts") && !v.given(at) {
			inside = append(inside, fmt.Sprintf("%d of %s", l.port, l.what))
		} else {
			v.errorf(at, "port %d lies in kubernetes.nodePorts %d-%d, where a NodePort Service could take it", l.port, low, high)
		}
	}
	if len(inside) > 0 {
		v.errorf("kubernetes.nodePorts", "%d-%d contains ports of the nodes themselves: %s", low, high, strings.Join(inside, ", "))
	}
}

// Linux takes the local ports of outgoing connections from this range
// (net.ipv4.ip_local_port_range).
const (
	firstEphemeral = 32768
	lastEphemeral  = 60999
)

func (v *validator) nodePorts() (low, high int, ok bool) {
	const path = "kubernetes.nodePorts"
	s := v.def.Kubernetes.NodePorts
	from, to, found := strings.Cut(s, "-")
	low, lowErr := port(from)
	high, highErr := port(to)
	switch {
	case !found || lowErr != nil || highErr != nil:
		v.errorf(path, "%s is not a port range; want low-high of 1 to 65535, such as 30000-32767", quoted(s))
		return 0, 0, false
	case low > high:
		v.errorf(path, "%s ends before it begins; want low-high, such as 30000-32767", quoted(s))
		return 0, 0, false
	case low <= lastEphemeral && high >= firstEphemeral:
		v.warnf(path, "%s overlaps %d-%d, from which Linux takes the ports of outgoing connections; a NodePort may then be busy", quoted(s), firstEphemeral, lastEphemeral)
	}
	return low, high, true
}

// port reads a port number in plain decimal.
func port(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' || s[0] == '+' {
		return 0, fmt.Errorf("%q is not a port", s)
	}
	return int(n), nil
}
