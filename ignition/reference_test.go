package ignition_test

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/golden"
)

// described says what each file of an identity is for, by pattern, in the
// order of the reference.
var described = [][2]string{
	{"/etc/hostname", "the node's name"},
	{"/etc/sudoers.d/50-ingot", "lets `access.user` become root"},
	{"/etc/systemd/network/05-ingot-*.network", "static network, for systemd-networkd; one file for each interface"},
	{"/etc/NetworkManager/system-connections/ingot-*.nmconnection", "the same for NetworkManager"},
	{"/etc/ingot/node.json", "all that the node knows about itself and its cluster"},
	{"/etc/ingot/node.env", "the main facts of it, for `EnvironmentFile=` and shells"},
	{"/etc/kubernetes/pki/ca.crt", "authority `kubernetes`"},
	{"/etc/kubernetes/pki/front-proxy-ca.crt", "authority `front-proxy`"},
	{"/etc/kubernetes/pki/sa.key", "signs service account tokens"},
	{"/etc/kubernetes/pki/sa.pub", "checks them"},
	{"/etc/kubernetes/pki/*.crt", "certificates, by the names that [pki.md](../explanation/pki.md) has"},
	{"/etc/kubernetes/pki/*.key", "their keys"},
	{"/etc/kubernetes/encryption.yaml", "has kube-apiserver encrypt Secrets in etcd; without `features.encryption` it is left out"},
	{"/etc/kubernetes/*.conf", "kubeconfigs of the components; they refer to keys by path"},
	{"/etc/etcd/etcd.env", "etcd's settings, as environment variables"},
	{"/etc/etcd/pki/ca.crt", "authority `etcd`"},
	{"/etc/etcd/pki/*.crt", "certificates `etcd-server` and `etcd-peer`"},
	{"/etc/etcd/pki/*.key", "their keys"},
	{"/etc/tinc/*/tinc.conf", "tinc's settings; the folder is named after `mesh.interface`"},
	{"/etc/tinc/*/rsa_key.priv", "the node's mesh key"},
	{"/etc/tinc/*/tinc-up", "gives the interface its addresses and routes"},
	{"/etc/tinc/*/tinc-down", "takes it down"},
	{"/etc/tinc/*/hosts/*", "the node itself, and the nodes whose keys it must know"},
}

const (
	referenceFile  = "../docs/reference/identity.md"
	referenceStart = "<!-- files: written by go test ./ignition -update -->\n"
	referenceEnd   = "<!-- end of files -->\n"
)

// TestReference holds the table of the reference against real identities:
// every file is described, with the mode and owner that it has, and where.
func TestReference(t *testing.T) {
	type row struct {
		modes, owners, by []string
		on                []string
	}
	rows := make([]row, len(described))
	add := func(list *[]string, value string) {
		if !slices.Contains(*list, value) {
			*list = append(*list, value)
		}
	}
	prod := shipped(t, "prod")
	nodes := map[string]*ignition.Identity{
		"controllers": prod.identity(t, "master0"), "workers": prod.identity(t, "worker9"), "edges": prod.identity(t, "edge0"),
		"static network": everything(t),
	}
	for _, kind := range []string{"controllers", "workers", "edges", "static network"} {
		id := nodes[kind]
		for _, f := range id.Files {
			i := slices.IndexFunc(described, func(d [2]string) bool {
				ok, err := path.Match(d[0], f.Path)
				if err != nil {
					t.Fatal(err)
				}
				return ok
			})
			if i < 0 {
				if id.Cluster != "every" { // which has files of its own
					t.Errorf("%s is not described", f.Path)
				}
				continue
			}
			add(&rows[i].modes, fmt.Sprintf("%04o", f.Mode))
			add(&rows[i].owners, strings.TrimPrefix(f.Owner, "?"))
			add(&rows[i].by, map[bool]string{true: "config", false: "bundle"}[f.Early])
			if kind != "static network" || len(rows[i].on) == 0 {
				add(&rows[i].on, kind)
			}
		}
	}
	var b strings.Builder
	b.WriteString("| path | mode | owner | by | nodes | what it is |\n| --- | --- | --- | --- | --- | --- |\n")
	for i, d := range described {
		r := rows[i]
		if len(r.modes) != 1 || len(r.owners) != 1 || len(r.by) != 1 {
			t.Errorf("%s has modes %q, owners %q, comes by %q: want one each", d[0], r.modes, r.owners, r.by)
			continue
		}
		on := strings.Join(r.on, ", ")
		if len(r.on) == 3 {
			on = "all"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", d[0], r.modes[0], r.owners[0], r.by[0], on, d[1])
	}
	golden.Section(t, referenceFile, referenceStart, referenceEnd, b.String())
}

// TestReferenceFacts finds keys of node.json and node.env that the reference
// does not have.
func TestReferenceFacts(t *testing.T) {
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	id := everything(t)
	for line := range strings.Lines(string(file(t, id, "/etc/ingot/node.env").Data)) {
		name, _, _ := strings.Cut(line, "=")
		if !strings.Contains(string(data), "`"+name+"`") {
			t.Errorf("%s is not in the reference", name)
		}
	}
	for line := range strings.Lines(string(file(t, id, "/etc/ingot/node.json").Data)) {
		name, _, ok := strings.Cut(strings.TrimSpace(line), `":`)
		name = strings.TrimPrefix(name, `"`)
		if ok && !strings.ContainsAny(name, "./") && name != "disk" && name != "tier" && !strings.Contains(string(data), "`"+name+"`") {
			t.Errorf("node.json's %s is not in the reference", name)
		}
	}
}
