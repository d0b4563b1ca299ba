package pki

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// issued is everything that was issued for the shipped cluster prod, in
// memory: made once, read by many tests.
type issued struct {
	c          *cluster.Cluster
	nodes      map[string]*Material
	cas        map[Authority][]byte
	admin      *Credential
	breakGlass *Credential
}

// prod issues everything for the shipped cluster prod.
var prod = sync.OnceValues(func() (*issued, error) {
	dir, err := os.MkdirTemp("", "ingot-pki-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	text, err := os.ReadFile("../clusters/prod/cluster.yaml")
	if err != nil {
		return nil, err
	}
	out := &issued{nodes: map[string]*Material{}, cas: map[Authority][]byte{}}
	if out.c, err = cluster.Parse(dir+"/cluster.yaml", text, cluster.Indexes{}, &diag.Report{}); err != nil {
		return nil, err
	}
	s, err := Open(out.c, Options{ConfigDir: dir + "/config", Now: now})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if _, err := s.Ensure(ctx, EnsureOptions{}); err != nil {
		return nil, err
	}
	for i := range out.c.Nodes {
		name := out.c.Nodes[i].Name
		if out.nodes[name], err = s.Material(name); err != nil {
			return nil, err
		}
	}
	for _, a := range Authorities() {
		if out.cas[a], err = s.AuthorityPEM(a); err != nil {
			return nil, err
		}
	}
	if out.admin, _, err = s.Admin(ctx, "alice"); err != nil {
		return nil, err
	}
	out.breakGlass, err = s.BreakGlass(ctx, 8*time.Hour)
	return out, err
})

func mustProd(t testing.TB) *issued {
	t.Helper()
	p, err := prod()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cred finds a credential of a node, "admin" or "break-glass".
func (p *issued) cred(t testing.TB, node, name string) *Credential {
	t.Helper()
	switch name {
	case "admin":
		return p.admin
	case "break-glass":
		return p.breakGlass
	}
	c, ok := p.nodes[node].Credential(name)
	if !ok {
		t.Fatalf("%s has no %s", node, name)
	}
	return c
}

// all lists every certificate that was issued, by a name of its own.
func (p *issued) all() (list []named) {
	for i := range p.c.Nodes {
		node := p.c.Nodes[i].Name
		for _, r := range NodeRequests(p.c, &p.c.Nodes[i]) {
			c, _ := p.nodes[node].Credential(r.Name)
			list = append(list, named{node + "-" + r.Name, r, c})
		}
	}
	return slices.Concat(list, []named{
		{"admin", AdminRequest(p.c, "alice"), p.admin}, {"break-glass", BreakGlassRequest(), p.breakGlass},
	})
}

type named struct {
	name string
	req  Request
	cred *Credential
}
