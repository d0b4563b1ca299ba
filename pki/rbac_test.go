package pki

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"go.yaml.in/yaml/v3"
)

// manifest is what this test looks at in Kubernetes objects.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	RoleRef  struct{ Kind, Name string } `yaml:"roleRef"`
	Subjects []struct{ Kind, Name string }
	Rules    []struct{ Verbs []string }
}

// Every subject that Kubernetes has no rule of its own for is bound, and nobody else.
func TestRBACSubjects(t *testing.T) {
	c := define(t, t.TempDir(), shipped(t, "prod"))
	n, _ := c.Node("master0")
	// Kubernetes binds its own names (kubernetes.io, "Using RBAC
	// Authorization", core component roles) and the node authorizer its group.
	// Servers and the clients of etcd and of extension API servers need no rights here.
	want := map[string]bool{}
	for _, r := range append(NodeRequests(c, n), AdminRequest(c, "admin")) {
		if r.Authority != Kubernetes || r.Usage == Server || strings.HasPrefix(r.CommonName, "system:") {
			continue
		}
		// One certificate of a node needs no binding, and no other may be like it.
		if slices.Contains(r.Organization, mastersGroup) {
			if r.Name != "apiserver-kubelet-client" {
				t.Errorf("%s is of the group %s", r.Name, mastersGroup)
			}
			continue
		}
		subject := "User " + r.CommonName
		if len(r.Organization) > 0 {
			subject = "Group " + r.Organization[0]
		}
		want[subject] = true
	}
	roles := []string{"cluster-admin"} // Kubernetes' own
	bound := map[string]bool{}
	for dec := yaml.NewDecoder(bytes.NewReader(RBAC)); ; {
		var m manifest
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch m.Kind {
		case "ClusterRole":
			roles = append(roles, m.Metadata.Name)
			for _, rule := range m.Rules {
				if slices.Contains(rule.Verbs, "*") {
					t.Errorf("role %s allows everything", m.Metadata.Name)
				}
			}
		case "ClusterRoleBinding":
			if !slices.Contains(roles, m.RoleRef.Name) {
				t.Errorf("binding %s is to the role %q, which is not there", m.Metadata.Name, m.RoleRef.Name)
			}
			for _, s := range m.Subjects {
				bound[s.Kind+" "+s.Name] = true
			}
		default:
			t.Errorf("unexpected kind %q", m.Kind)
		}
	}
	for s := range want {
		if !bound[s] {
			t.Errorf("%s has no rights", s)
		}
	}
	for s := range bound {
		if !want[s] {
			t.Errorf("%s is bound, and no certificate has it", s)
		}
	}
}

// No node but a controller has a certificate that bypasses RBAC.
func TestMastersGroup(t *testing.T) {
	c := define(t, t.TempDir(), shipped(t, "prod"))
	for i := range c.Nodes {
		n := &c.Nodes[i]
		var have []string
		for _, r := range NodeRequests(c, n) {
			if slices.Contains(r.Organization, mastersGroup) {
				have = append(have, r.Name)
			}
		}
		var want []string
		if n.Has(cluster.Controller) {
			want = []string{"apiserver-kubelet-client"}
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s: %q are of the group %s, want %q", n.Name, have, mastersGroup, want)
		}
	}
}
