package cluster

import (
	"net/netip"
	"strings"
)

// maxControllers is where more etcd members only make writes slower
// (etcd.io, FAQ, "What is maximum cluster size").
const maxControllers = 7

// checkNodes checks what a node is; [validator.checkNetworks] checks its network.
func (v *validator) checkNodes() {
	names, addresses := seen{}, seen{}
	owner := map[string]int{} // full name -> node
	for i, n := range v.def.Nodes {
		owner[n.Name+"."+v.def.Domain] = i
	}
	for i := range v.def.Nodes {
		n, path := &v.def.Nodes[i], element("nodes", i)
		if n.Name != "" {
			v.nodeName(join(path, "name"), n.Name)
			v.once(names, n.Name, join(path, "name"), "the name "+quoted(n.Name))
		}
		roles := seen{}
		for k, r := range n.Roles {
			if r != "" {
				v.once(roles, string(r), element(join(path, "roles"), k), "the role "+quoted(string(r)))
			}
		}
		if n.Zone != "" && !labelValue.MatchString(n.Zone) {
			v.errorf(join(path, "zone"), "%s cannot be a label's value; want at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends", quoted(n.Zone))
		}
		v.checkAddress(join(path, "address"), n.Address, i, addresses, owner)
		v.checkLabels(join(path, "labels"), n.Labels)
		v.checkTaints(join(path, "taints"), n.Taints)
	}
	v.checkLabels("kubernetes.labels", v.def.Kubernetes.Labels)
}

// checkAddress checks the address at which others dial node i.
func (v *validator) checkAddress(path, s string, i int, addresses seen, owner map[string]int) {
	if s == "" {
		return
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		v.checkAddressName(path, s, i, addresses, owner)
		return
	}
	if problem := addressProblem(a); problem != "" {
		v.errorf(path, "%s", problem)
		return
	}
	if a.IsLinkLocalUnicast() {
		v.errorf(path, "%s is a link-local address, which only neighbours on one wire can dial; want one that all nodes can reach", a)
		return
	}
	if where, taken := v.inRange(netip.PrefixFrom(a, a.BitLen())); taken {
		v.errorf(path, "%s lies in %s; want the address that the machine has outside the cluster", a, where)
		return
	}
	v.once(addresses, a.String(), path, "the address "+a.String())
}

func (v *validator) checkAddressName(path, s string, i int, addresses seen, owner map[string]int) {
	if problem := nameProblem(s); problem != "" {
		if strings.ContainsAny(s, "/[]") || strings.Trim(s, "0123456789abcdef.:") == "" {
			problem = quoted(s) + " is not an IP address"
		}
		v.errorf(path, "%s; allowed: an IP address or a DNS name, without port or prefix", cutAdvice(problem))
		return
	}
	switch other, taken := owner[s]; {
	case !v.dnsName(path, s):
	case within(s, v.def.Kubernetes.ClusterDomain):
		v.errorf(path, "%s lies in kubernetes.clusterDomain, which nothing outside the cluster can resolve; want a name of the world outside", quoted(s))
	case taken && other != i:
		v.errorf(path, "%s is the name of another node, nodes[%d] in line %d", quoted(s), other, v.where(element("nodes", other)).Line)
	default:
		v.once(addresses, s, path, "the address "+quoted(s))
	}
}

// cutAdvice drops the advice of a message that gets a better one.
func cutAdvice(s string) string {
	head, _, _ := strings.Cut(s, " (")
	return head
}

// addressProblem says why an address cannot be that of a machine, or "".
func addressProblem(a netip.Addr) string {
	switch {
	case a.Zone() != "":
		return quoted(a.String()) + " has a zone, which means nothing to other machines"
	case a.Is4In6():
		return a.String() + " is IPv4 written as IPv6; write " + a.Unmap().String()
	case a.IsLoopback():
		return a.String() + " is a loopback address, which always means the machine itself"
	case a.IsMulticast():
		return a.String() + " is a multicast address; want that of one machine"
	case a.IsUnspecified():
		return a.String() + " is the unspecified address; want that of one machine"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return a.String() + " is the broadcast address; want that of one machine"
	}
	return ""
}

// checkTopology looks at the nodes as a whole: whether they can find each
// other, and whether etcd can live.
func (v *validator) checkTopology() {
	var dialable []int
	controllers, workers := 0, v.def.Spares
	clear := true // every node has roles, and known ones
	open := false // some controller has an address
	for i, n := range v.def.Nodes {
		if n.Address != "" {
			dialable = append(dialable, i)
		}
		edge := false
		clear = clear && len(n.Roles) > 0
		for _, r := range n.Roles {
			switch r {
			case Controller:
				controllers++
				open = open || n.Address != ""
			case Worker:
				workers++
			case Edge:
				edge = true
			default:
				clear = false
			}
		}
		if edge && n.Address == "" {
			v.warnf(element("nodes", i), "an edge without an address takes no traffic from outside; give it an address")
		}
	}
	if len(v.def.Nodes) == 0 {
		return // reported as missing or empty
	}
	if clear {
		v.checkControllers(controllers)
	}
	if clear && workers == 0 {
		v.warnf("nodes", "no node has the role worker: pods that do not tolerate the taints of the others have no place to run")
	}
	if controllers > 0 && v.def.API.Public && !open {
		v.warnf("api.public", "the API is to be open outside, but no controller has an address; give one to a controller")
	}
	machines := len(v.def.Nodes) + v.def.Spares
	switch {
	case len(dialable) == 0 && machines > 1:
		v.errorf("nodes", "no node has an address, so none can dial another and the mesh never forms; give at least one node an address that the others can reach")
	case len(dialable) == 1 && machines > 2:
		v.warnf(element("nodes", dialable[0]), "the only node with an address: while it is down, no other two nodes can find each other; give a second node an address")
	}
}

func (v *validator) checkControllers(n int) {
	switch {
	case n == 0:
		v.errorf("nodes", "no node has the role controller; want one, three or five")
	case n%2 == 0:
		v.warnf("nodes", "%d controllers survive no more failures than %d; take an odd number", n, n-1)
	case n > maxControllers:
		v.warnf("nodes", "%d controllers make every write to etcd slower and gain little; take at most %d", n, maxControllers)
	}
}
