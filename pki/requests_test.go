package pki

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/golden"
)

func TestNodeRequests(t *testing.T) {
	for _, name := range []string{"prod", "lab"} {
		c := define(t, t.TempDir(), shipped(t, name))
		var b bytes.Buffer
		for i := range c.Nodes {
			n := &c.Nodes[i]
			fmt.Fprintf(&b, "%s %v\n", n.Name, n.Spec.Roles)
			for _, r := range NodeRequests(c, n) {
				writeRequest(&b, r)
			}
		}
		writeRequest(&b, AdminRequest(c, "alice"))
		writeRequest(&b, BreakGlassRequest())
		golden.Check(t, filepath.Join("testdata", "requests-"+name+".txt"), b.Bytes())
	}
}

func writeRequest(b *bytes.Buffer, r Request) {
	fmt.Fprintf(b, "  %s: %s %s CN=%s O=%s\n", r.Name, r.Authority, r.Usage, r.CommonName, r.Organization)
	for _, s := range sans(r) {
		fmt.Fprintf(b, "    %s\n", s)
	}
}

func TestRequestsDualStack(t *testing.T) {
	c := define(t, t.TempDir(), `
apiVersion: ingot/v1
kind: Cluster
name: dual
domain: dual.example.com
kubernetes: {serviceCIDR: "10.96.0.0/16,fd00:96::/112", podCIDR: "10.244.0.0/16,fd00:244::/48", clusterDomain: k8s.internal}
mesh: {cidr: "10.42.0.0/16,fd00:42::/64"}
api: {names: [api.example.com]}
nodes:
  - {name: m0, roles: [controller, worker], address: "2001:db8::10"}
`)
	c.Def.API.Names = append(c.Def.API.Names, "localhost", "API.example.com", "m0.dual.example.com")
	requests := NodeRequests(c, &c.Nodes[0])
	r := requests[slices.IndexFunc(requests, func(r Request) bool { return r.Name == "apiserver" })]
	want := []string{
		"api.example.com", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.k8s.internal", "localhost", "m0", "m0.dual.example.com",
		"10.42.0.1", "10.42.255.254", "10.96.0.1", "127.0.0.1", "::1", "2001:db8::10", "fd00:42::1", "fd00:96::1",
	}
	if got := sans(r); !slices.Equal(got, want) {
		t.Errorf("SANs of apiserver:\n got %q\nwant %q", got, want)
	}
	for _, r := range requests {
		names := sans(r)
		slices.Sort(names)
		if len(slices.Compact(names)) != len(sans(r)) {
			t.Errorf("%s: a name stands twice in %q", r.Name, sans(r))
		}
	}
}

// Requests of one node share no memory that one of them could change.
func TestRequestsIndependent(t *testing.T) {
	c := define(t, t.TempDir(), small)
	n, _ := c.Node("m0")
	for _, r := range NodeRequests(c, n) {
		for i := range r.DNSNames {
			r.DNSNames[i] = "changed"
		}
	}
	for _, r := range NodeRequests(c, n) {
		if slices.Contains(r.DNSNames, "changed") {
			t.Errorf("%s shares its names", r.Name)
		}
	}
	if w, _ := c.Node("w0"); w.Has(cluster.Controller) || len(NodeRequests(c, w)) != 5 {
		t.Errorf("a worker needs 5 certificates, not %d", len(NodeRequests(c, w)))
	}
}
