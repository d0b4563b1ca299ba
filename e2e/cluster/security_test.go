package cluster_test

import (
	"cmp"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// port is one of a machine.
type port struct {
	proto  string // tcp, udp
	number int
}

func (p port) String() string { return strconv.Itoa(p.number) + "/" + p.proto }

// listeners are those that the layers of the image say they have.
func (s *suite) listeners(t *testing.T) []layer.Listener {
	t.Helper()
	// What is in the image does not matter here, only that there is something.
	block := func(kind string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(kind)}) }
	pub := &pki.Public{CAs: map[pki.Authority][]byte{}, MeshKeys: map[string][]byte{}}
	for _, a := range pki.Authorities() {
		pub.CAs[a] = block("CERTIFICATE")
	}
	for i := range s.def.Nodes {
		pub.MeshKeys[s.def.Nodes[i].Name] = block("RSA PUBLIC KEY")
	}
	layers, err := provisioners.All(s.def, pub)
	if err != nil {
		t.Fatal(err)
	}
	var out []layer.Listener
	for _, l := range layers {
		out = append(out, l.Listeners...)
	}
	if len(out) < 20 {
		t.Fatalf("the layers have %d listeners", len(out))
	}
	return out
}

// opened are the ports that the definition opens to everybody, and what for: the
// listeners on all addresses, but for the API where it is not public, and the
// NodePorts of Services.
func (s *suite) opened(t *testing.T) map[port]string {
	t.Helper()
	out := map[port]string{}
	for _, l := range s.listeners(t) {
		if l.Address == "all" && (l.Program != "kube-apiserver" || s.def.Def.API.Public) {
			out[port{l.Proto, l.Port}] = l.Program
		}
	}
	said, err := s.kubectl(t.Context(), "get", "services", "--all-namespaces", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var services struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Spec struct {
				Ports []struct {
					Protocol string `json:"protocol"`
					NodePort int    `json:"nodePort"`
				} `json:"ports"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(said), &services); err != nil {
		t.Fatal(err)
	}
	for _, service := range services.Items {
		for _, p := range service.Spec.Ports {
			if p.NodePort != 0 {
				out[port{strings.ToLower(p.Protocol), p.NodePort}] = "Service " + service.Metadata.Name
			}
		}
	}
	return out
}

// closedOutside: from outside the mesh, nothing is reached but what the
// definition opens; and on the machines, nobody listens but those that the
// layers name.
func (s *suite) closedOutside(t *testing.T) {
	opened := s.opened(t)
	t.Logf("open by the definition: %v", opened)
	for i, name := range nodes {
		node := s.node(name)
		first, rest := s.interesting(t), []int(nil)
		if i == 0 {
			first, rest = everyPort(first)
		}
		found := s.scan(t, node.Spec.Address, first, rest)
		compare(t, name+" from outside, TCP", "tcp", found, opened)
		s.scanUDP(t, node.Spec.Address, opened, i == 0)
	}
	for _, name := range nodes {
		s.sockets(t, name)
	}
}

// node is a node of the definition.
func (s *suite) node(name string) *cluster.Node {
	for i := range s.def.Nodes {
		if s.def.Nodes[i].Name == name {
			return &s.def.Nodes[i]
		}
	}
	return nil
}

// interesting are the TCP ports of all listeners, some that such programs are
// known for, and the one that the test's Service has.
func (s *suite) interesting(t *testing.T) []int {
	t.Helper()
	out := append(forgotten(), nodePort)
	for _, l := range s.listeners(t) {
		if l.Proto == "tcp" && l.Port != 0 {
			out = append(out, l.Port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// forgotten are ports that are open where somebody did not mean to: the
// kubelet's without authentication, its advisor, the API's without TLS, etcd's
// old ones, containerd's metrics, haproxy's statistics, dashboards and databases.
func forgotten() []int {
	return []int{21, 23, 25, 80, 111, 139, 443, 445, 1338, 1936, 2375, 2376, 4001, 4194, 5000, 5432, 6060, 7001, 8000, 8080, 8181, 8404, 8443, 8888, 9000, 9090, 9093, 10250, 10255, 10256}
}

// everyPort splits all TCP ports into those to try first and the rest: first
// come the interesting ones, those below 12000 and NodePorts.
func everyPort(interesting []int) (first, rest []int) {
	for n := 1; n <= 65535; n++ {
		_, found := slices.BinarySearch(interesting, n)
		if found || n < 12000 || 30000 <= n && n <= 32767 {
			first = append(first, n)
		} else {
			rest = append(rest, n)
		}
	}
	return first, rest
}

// compare holds what is open against what is to be.
func compare(t *testing.T, what, proto string, found []int, opened map[port]string) {
	t.Helper()
	for _, n := range found {
		if _, ok := opened[port{proto, n}]; !ok {
			t.Errorf("%s: port %d is open, which the definition does not open", what, n)
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(opened), func(a, b port) int { return cmp.Compare(a.number, b.number) }) {
		if p.proto == proto && !slices.Contains(found, p.number) {
			t.Errorf("%s: port %s of %s is closed: nothing is known of the others either", what, p, opened[p])
		}
	}
}

// sockets holds the sockets that a machine says it listens on against those of
// the layers, both ways.
func (s *suite) sockets(t *testing.T, name string) {
	t.Helper()
	node := s.node(name)
	listeners := s.listeners(t)
	seen := make([]bool, len(listeners))
	lines := strings.Split(s.run(t, name, "ss -Hlntup"), "\n")
	for _, line := range lines {
		proto, at, program, err := socket(line)
		if err != nil {
			t.Errorf("%s: %q: %v", name, line, err)
			continue
		}
		// systemd-networkd takes the answers of DHCP (docs/reference/listeners.md).
		known := proto == "udp" && at.Port() == 68 && program == "systemd-network"
		for i, l := range listeners {
			if l.Proto == proto && has(&l, node, at, program) {
				known, seen[i] = true, true
			}
		}
		if !known {
			t.Errorf("%s: %s listens on %s/%s, which no layer says", name, program, at, proto)
		}
	}
	for i, l := range listeners {
		if !seen[i] {
			t.Errorf("%s: %s does not listen on %s, port %d/%s", name, l.Program, l.Address, l.Port, l.Proto)
		}
	}
	t.Logf("%s: %d sockets, as the layers say", name, len(lines))
}

// socket reads a line of ss(8).
func socket(line string) (proto string, at netip.AddrPort, program string, err error) {
	fields := strings.Fields(line)
	if len(fields) < 6 {
		return "", at, "", fmt.Errorf("%d fields", len(fields))
	}
	host, number, _ := cutLast(fields[4], ":")
	host, _, _ = strings.Cut(strings.Trim(host, "[]"), "%")
	if host == "*" {
		host = "::" // and those of IPv4
	}
	at, err = netip.ParseAddrPort("[" + host + "]:" + number)
	if strings.Contains(host, ".") {
		at, err = netip.ParseAddrPort(host + ":" + number)
	}
	if len(fields) > 6 {
		_, rest, _ := strings.Cut(fields[6], `(("`)
		program, _, _ = strings.Cut(rest, `"`)
	}
	return fields[0], at, program, err
}

func cutLast(text, by string) (before, after string, found bool) {
	i := strings.LastIndex(text, by)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(by):], true
}

// has tells whether a listener of the layers is a socket of a node.
func has(l *layer.Listener, node *cluster.Node, at netip.AddrPort, program string) bool {
	if l.Port != int(at.Port()) && (l.Port != 0 || !strings.HasPrefix(program, l.Program)) {
		return false
	}
	switch l.Address {
	case "all":
		return at.Addr().IsUnspecified()
	case "loopback":
		return at.Addr().IsLoopback()
	case "mesh":
		return slices.Contains(node.MeshIPs, at.Addr())
	}
	return l.Address == at.Addr().String()
}
