package inventory_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/cluster/inventory"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
)

// awkward has all that makes the formats hard: both families, nodes without an
// address, addresses that are names, names of nodes that are other nodes'
// numbers, and zones that Ansible would write alike.
const awkward = `apiVersion: ingot/v1
kind: Cluster
name: awkward
domain: awkward.example.com
mesh: {cidr: "fd42::/64,10.42.0.0/16"}
kubernetes: {podCIDR: "fd44::/48,10.244.0.0/16", serviceCIDR: "fd45::/112,10.96.0.0/16"}
api: {names: [awkward.example.com, k8s.awkward.example.com, api.example.net]}
access: {user: ops}
nodes:
  - {name: master1, roles: [controller], zone: fra-1, address: "2001:db8::10"}
  - {name: m2, roles: [controller, worker], zone: fra.1, address: vm17.example.net}
  - {name: m3, roles: [controller, worker], zone: fra-1, address: m3.awkward.example.com}
  - {name: gate, roles: [edge], zone: "7", address: gate.example.net, labels: {disk: ssd}, taints: ["a=b:NoSchedule"]}
  - {name: gate2, roles: [edge], address: gate2.example.net}
  - {name: hidden, roles: [worker]}
spares: 1
`

func load(t *testing.T, name string) *cluster.Cluster {
	t.Helper()
	if name == "awkward" {
		return parse(t, awkward)
	}
	c, _, err := cluster.Load(filepath.Join("../../clusters", name, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Parse(t.TempDir()+"/cluster.yaml", []byte(text), nil, &diag.Report{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func render(t *testing.T, c *cluster.Cluster, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := inventory.Render(&b, c, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var clusters = []string{"prod", "lab", "awkward"}

func TestRender(t *testing.T) {
	for _, name := range clusters {
		for _, format := range inventory.Formats() {
			t.Run(name+"/"+format, func(t *testing.T) {
				golden.Check(t, filepath.Join("testdata", name+"."+format), render(t, load(t, name), format))
			})
		}
	}
}

func TestRenderUnknownFormat(t *testing.T) {
	var b bytes.Buffer
	err := inventory.Render(&b, load(t, "lab"), "toml")
	if err == nil || !strings.Contains(err.Error(), `"toml" (table, json, ansible, hosts, dns)`) || b.Len() > 0 {
		t.Errorf("got %v and %d bytes, want an error that names the formats", err, b.Len())
	}
}

func TestShow(t *testing.T) {
	for _, name := range clusters {
		for suffix, asJSON := range map[string]bool{"show": false, "show.json": true} {
			t.Run(name+"/"+suffix, func(t *testing.T) {
				var b bytes.Buffer
				if err := inventory.Show(&b, load(t, name), asJSON); err != nil {
					t.Fatal(err)
				}
				golden.Check(t, filepath.Join("testdata", name+"."+suffix), b.Bytes())
			})
		}
	}
}

// TestJSONReadsBack: what a Go program reads is what was written.
func TestJSONReadsBack(t *testing.T) {
	c := load(t, "awkward")
	var list inventory.List
	if err := json.Unmarshal(render(t, c, "json"), &list); err != nil {
		t.Fatal(err)
	}
	if want := inventory.NewList(c); !reflect.DeepEqual(list, want) {
		t.Errorf("got %+v\nwant %+v", list, want)
	}
}

func TestBastion(t *testing.T) {
	const head = "apiVersion: ingot/v1\nkind: Cluster\nname: a\ndomain: a.example.com\nnodes:\n"
	for _, tc := range []struct{ name, nodes, want string }{
		{"edge first", "- {name: a, roles: [controller, worker], address: 192.0.2.1}\n- {name: b, roles: [edge], address: 192.0.2.2}\n", "b"},
		{"no edge", "- {name: a, roles: [controller, worker]}\n- {name: b, roles: [worker], address: 192.0.2.2}\n", "b"},
		{"edge without address", "- {name: a, roles: [edge]}\n- {name: b, roles: [controller, worker], address: 192.0.2.2}\n", "b"},
		{"none", "- {name: a, roles: [controller, worker]}\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := parse(t, head+tc.nodes)
			got := ""
			if b := inventory.Bastion(c); b != nil {
				got = b.Name
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			for _, format := range inventory.Formats() {
				render(t, c, format)
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("pipe is closed") }

func TestBrokenWriter(t *testing.T) {
	c := load(t, "lab")
	for _, format := range inventory.Formats() {
		if err := inventory.Render(brokenWriter{}, c, format); err == nil || !strings.Contains(err.Error(), "pipe is closed") {
			t.Errorf("%s: got %v, want the writer's error", format, err)
		}
	}
	if err := inventory.Show(brokenWriter{}, c, true); err == nil || !strings.Contains(err.Error(), "pipe is closed") {
		t.Errorf("show: got %v, want the writer's error", err)
	}
}
