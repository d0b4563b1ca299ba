package identity_test

import (
	"slices"
	"testing"

	"crypto/x509"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/node/identity"
	"github.com/ingot-k8s/ingot/pki"
)

// What must be on a node is what is issued for it, one for one.
func TestCertificates(t *testing.T) {
	usages := map[pki.Usage][]x509.ExtKeyUsage{
		pki.Client: {x509.ExtKeyUsageClientAuth},
		pki.Server: {x509.ExtKeyUsageServerAuth},
		pki.Peer:   {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range []string{"lab", "prod"} {
		c := load(t, name)
		for i := range c.Nodes {
			n := &c.Nodes[i]
			facts, err := identity.ParseFacts(nodeJSON(t, c, n))
			if err != nil {
				t.Fatal(err)
			}
			got, want := identity.Certificates(facts), pki.NodeRequests(c, n)
			if len(got) != len(want) {
				t.Fatalf("%s: got %d certificates, want %d", n.Name, len(got), len(want))
			}
			for k, r := range want {
				g := got[k]
				if g.Name != r.Name || g.Authority != string(r.Authority) || g.CommonName != r.CommonName ||
					!slices.Equal(g.Groups, r.Organization) || !slices.Equal(g.Usage, usages[r.Usage]) || g.Named != named(c, n, r) {
					t.Errorf("%s: got %+v, want %+v", n.Name, g, r)
				}
			}
		}
	}
}

// named reports whether a request has all the node's names.
func named(c *cluster.Cluster, n *cluster.Node, r pki.Request) bool {
	for _, a := range n.MeshIPs {
		if !slices.Contains(r.IPs, a) {
			return false
		}
	}
	return slices.Contains(r.DNSNames, n.Name) && slices.Contains(r.DNSNames, c.FQDN(n))
}
