package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// FactsPath is where an identity says which node it is of.
const FactsPath = "/etc/ingot/node.json"

// maxFile bounds what is read of any file of an identity, in bytes. All of an
// identity together has less than 16 KiB on its way to the node.
const maxFile = 1 << 20

// Roles of nodes, in the order in which they are shown and started.
var allRoles = []string{"controller", "worker", "edge"}

// Facts is the part of node.json that a decision is made by. The whole of it is
// the type Facts of package ignition, which is too large a package for a
// machine.
type Facts struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Cluster    string   `json:"cluster"`
	Domain     string   `json:"domain"`
	Name       string   `json:"name"`
	FQDN       string   `json:"fqdn"`
	Index      int      `json:"index"`
	Spare      bool     `json:"spare"`
	Roles      []string `json:"roles"`
	Mesh       struct {
		Interface string       `json:"interface"`
		Addresses []netip.Addr `json:"addresses"`
	} `json:"mesh"`
	Pods struct {
		CIDRs []netip.Prefix `json:"cidrs"`
	} `json:"pods"`
}

// ParseFacts reads node.json. What it returns can be shown to people: names
// are DNS names, roles are known ones. Errors never quote the file, in which a
// hostile hand could have put anything.
func ParseFacts(data []byte) (*Facts, error) {
	var f Facts
	if err := json.Unmarshal(data, &f); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("it is not JSON from byte %d on", syntax.Offset)
		}
		return nil, errors.New("it is JSON with values of other types than it should have")
	}
	if f.APIVersion != "ingot/v1" || f.Kind != "Node" {
		return nil, errors.New(`apiVersion and kind are not "ingot/v1" and "Node"`)
	}
	for _, n := range []struct {
		key, value string
		limit      int
	}{{"cluster", f.Cluster, 63}, {"name", f.Name, 63}, {"domain", f.Domain, 253}, {"fqdn", f.FQDN, 253}} {
		if !dnsName(n.value, n.limit) || n.limit == 63 && strings.Contains(n.value, ".") {
			return nil, fmt.Errorf("%s is not a DNS name of at most %d characters", n.key, n.limit)
		}
	}
	if f.Index < 1 || len(f.Mesh.Addresses) == 0 || len(f.Roles) == 0 {
		return nil, errors.New("index, roles and mesh.addresses must be there")
	}
	for _, a := range f.Mesh.Addresses {
		if !a.IsValid() || a.Zone() != "" {
			return nil, errors.New("mesh.addresses has what is no address")
		}
	}
	for _, r := range f.Roles {
		if !slices.Contains(allRoles, r) {
			return nil, fmt.Errorf("roles has what is none of %s", list(allRoles))
		}
	}
	if !interfaceName(f.Mesh.Interface) {
		return nil, errors.New("mesh.interface is not the name of an interface")
	}
	f.Roles = inOrder(f.Roles)
	return &f, nil
}

// Has reports whether the node has a role.
func (f *Facts) Has(role string) bool { return slices.Contains(f.Roles, role) }

// inOrder sorts roles as they are shown, each once.
func inOrder(roles []string) []string {
	var out []string
	for _, r := range allRoles {
		if slices.Contains(roles, r) {
			out = append(out, r)
		}
	}
	return out
}

// dnsName reports whether s is labels of lower-case letters, digits and
// hyphens with dots between them (RFC 1123, section 2.1).
func dnsName(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// interfaceName is what Linux takes for one, without what a path or a terminal
// would take for something else. 15 is IFNAMSIZ-1 (linux/if.h).
func interfaceName(s string) bool {
	return s != "" && len(s) <= 15 && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '/' || r == ':'
	})
}
