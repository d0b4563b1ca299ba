package cluster

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

const (
	// maxClusterName leaves room for a prefix and a suffix in names that are
	// made of it and end at 63 characters, such as those of cloud volumes.
	maxClusterName = 40
	// maxNodeName: the common name of a kubelet's certificate is
	// "system:node:" and the node's name, and X.509 ends it at 64 characters
	// (RFC 5280, ub-common-name).
	maxNodeName = 64 - len("system:node:")
	// maxDomain leaves room for a label and a dot in the 253 characters of a DNS name.
	maxDomain = 253 - 64
)

// dnsLabel is a label as RFC 1123 has it, in lower case.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// numericHost is a name that the C library's inet_aton takes for an IPv4 address.
var numericHost = regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)

// labelProblem says why s is not a DNS label of at most limit characters, or "".
func labelProblem(s string, limit int) string {
	const allowed = " (lower case letters, digits and inner dashes)"
	switch {
	case len(s) > limit:
		return quoted(s) + " is too long: " + plural(len(s), "character") + ", at most " + strconv.Itoa(limit)
	case !dnsLabel.MatchString(s) && dnsLabel.MatchString(strings.ToLower(s)):
		return quoted(s) + " has upper case letters; want a DNS label" + allowed
	case !dnsLabel.MatchString(s):
		return quoted(s) + " is not a DNS label" + allowed
	case numericHost.MatchString(s):
		return quoted(s) + " reads as an IPv4 address; a name needs a letter"
	}
	return ""
}

// nameProblem says why s is not a DNS name in lower case, or "".
func nameProblem(s string) string {
	const allowed = " (lower case letters, digits and inner dashes, with dots between the labels)"
	if _, err := netip.ParseAddr(s); err == nil {
		return quoted(s) + " is an IP address; want a DNS name"
	}
	switch {
	case len(s) > 253:
		return quoted(s) + " is too long: a DNS name has at most 253 characters"
	case strings.HasSuffix(s, "."):
		return quoted(s) + " ends in a dot; write it without"
	case strings.HasPrefix(s, "*."):
		return quoted(s) + " is a wildcard; write the names one by one"
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if !dnsLabel.MatchString(label) {
			if s != strings.ToLower(s) && nameProblem(strings.ToLower(s)) == "" {
				return quoted(s) + " has upper case letters; want a DNS name" + allowed
			}
			return quoted(s) + " is not a DNS name" + allowed
		}
	}
	if numericHost.MatchString(labels[len(labels)-1]) {
		return quoted(s) + " reads as an IPv4 address; the last label of a name needs a letter"
	}
	return ""
}

// within reports whether a DNS name is a domain or lies below it.
func within(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

func (v *validator) dnsName(path, s string) bool {
	if s == "" {
		return false
	}
	problem := nameProblem(s)
	if problem == "" && (within(s, "localhost") || within(s, "localdomain")) {
		problem = quoted(s) + " always means the machine itself"
	}
	if problem != "" {
		v.errorf(path, "%s", problem)
	}
	return problem == ""
}

func (v *validator) checkNames() {
	d := v.def
	if d.Name != "" {
		if problem := labelProblem(d.Name, maxClusterName); problem != "" {
			v.errorf("name", "%s", problem)
		}
	}
	if v.dnsName("domain", d.Domain) && len(d.Domain) > maxDomain {
		v.errorf("domain", "%s is too long: with a node's name in front it would pass the 253 characters of a DNS name; at most %d", quoted(d.Domain), maxDomain)
	}
	v.dnsName("kubernetes.clusterDomain", d.Kubernetes.ClusterDomain)
	if d.Domain != "" && within(d.Domain, d.Kubernetes.ClusterDomain) {
		v.errorf("domain", "%s lies in kubernetes.clusterDomain %s, which the cluster's own DNS answers; take another domain for the machines",
			quoted(d.Domain), quoted(d.Kubernetes.ClusterDomain))
	}
	names := seen{}
	each("api.names", d.API.Names, func(path, name string) {
		if v.dnsName(path, name) && v.once(names, name, path, quoted(name)) && within(name, d.Kubernetes.ClusterDomain) {
			v.errorf(path, "%s lies in kubernetes.clusterDomain %s, which is for Services; want a name of the world outside", quoted(name), quoted(d.Kubernetes.ClusterDomain))
		}
	})
}

// nodeName checks the name of a node.
func (v *validator) nodeName(path, name string) {
	if problem := labelProblem(name, maxNodeName); problem != "" {
		v.errorf(path, "%s", problem)
		return
	}
	if spareName.MatchString(name) {
		v.errorf(path, "%s is the name of a spare; spares come from the number in \"spares\", other nodes need other names", quoted(name))
	} else if why, taken := reservedNames[name]; taken {
		v.errorf(path, "%s is reserved: %s", quoted(name), why)
	}
}

// spareName is what [SpareName] gives.
var spareName = regexp.MustCompile(`^spare[0-9]+$`)

// reservedNames cannot be names of nodes.
var reservedNames = map[string]string{
	"localhost":     "it always means the machine itself",
	"localdomain":   "it always means the machine itself",
	"ip6-localhost": "it always means the machine itself",
	"ip6-loopback":  "it always means the machine itself",
	"kubernetes":    "it is a name of the API server, and a node with it could pose as the API server",
	"api":           "it is the DNS name of the API",
	"edge":          "it is the DNS name of all edges",
	"all":           "it is a group of every Ansible inventory",
	"ungrouped":     "it is a group of every Ansible inventory",
	"controllers":   "it is a group of the Ansible inventory",
	"workers":       "it is a group of the Ansible inventory",
	"edges":         "it is a group of the Ansible inventory",
	"spares":        "it is a group of the Ansible inventory",
}
