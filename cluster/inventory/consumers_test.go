package inventory_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

func runTool(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(argv[0]), err, out, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("%s warns: %s", filepath.Base(argv[0]), &stderr)
	}
	return string(out)
}

// TestAnsibleReadsIt holds the inventory against what Ansible itself makes of it.
func TestAnsibleReadsIt(t *testing.T) {
	tool := need.Tool(t, "ansible-inventory")
	for _, name := range clusters {
		t.Run(name, func(t *testing.T) {
			c := load(t, name)
			file := filepath.Join(t.TempDir(), "inventory.yaml")
			if err := os.WriteFile(file, render(t, c, "ansible"), 0o600); err != nil {
				t.Fatal(err)
			}
			var got map[string]json.RawMessage
			if err := json.Unmarshal([]byte(runTool(t, tool, "-i", file, "--list")), &got); err != nil {
				t.Fatal(err)
			}
			var meta struct {
				Hostvars map[string]struct {
					Host   string `json:"ansible_host"`
					User   string `json:"ansible_user"`
					Common string `json:"ansible_ssh_common_args"`
					Index  int    `json:"ingot_index"`
					Mesh   string `json:"ingot_mesh_address"`
					Pods   string `json:"ingot_pod_cidr"`
				}
			}
			if err := json.Unmarshal(got["_meta"], &meta); err != nil {
				t.Fatal(err)
			}
			if len(meta.Hostvars) != len(c.Nodes) {
				t.Errorf("Ansible sees %d hosts, want %d", len(meta.Hostvars), len(c.Nodes))
			}
			for i := range c.Nodes {
				n := &c.Nodes[i]
				v := meta.Hostvars[n.Name]
				if v.Index != n.Index || v.Mesh != n.MeshIP().String() || v.Pods != n.PodCIDRs[0].String() || v.User != c.Def.Access.User {
					t.Errorf("Ansible reads %+v of %s", v, n.Name)
				}
				if dialed := v.Host == n.Spec.Address; dialed != n.Dialable() || strings.Contains(v.Common, "ProxyJump") == n.Dialable() {
					t.Errorf("Ansible connects to %q with %q for %s", v.Host, v.Common, n.Name)
				}
			}
			checkGroups(t, got, name)
		})
	}
}

func checkGroups(t *testing.T, got map[string]json.RawMessage, name string) {
	t.Helper()
	want := map[string]map[string][]string{
		"prod": {
			"controllers": {"master0", "master1", "master2"}, "workers": {"master0", "master1", "master2", "worker9"},
			"edges": {"edge0"}, "spares": {"spare0", "spare1"}, "zone_fra1": {"master0", "master1"}, "zone_ams3": {"master2"},
		},
		"lab": {
			"controllers": {"lab0", "lab1", "lab2"}, "workers": {"lab0", "lab1", "lab2"}, "edges": {"lab0", "lab1", "lab2"},
			"spares": {"spare0"}, "zone_a": {"lab0"}, "zone_b": {"lab1"}, "zone_c": {"lab2"},
		},
		"awkward": {
			"controllers": {"m2", "m3", "master1"}, "workers": {"hidden", "m2", "m3"}, "edges": {"gate", "gate2"},
			"spares": {"spare0"}, "zone_fra_1": {"m3", "master1"}, "zone_fra_1_2": {"m2"}, "zone_7": {"gate"},
		},
	}[name]
	for group, hosts := range want {
		var g struct{ Hosts []string }
		if err := json.Unmarshal(got[group], &g); err != nil {
			t.Errorf("group %s: %v", group, err)
			continue
		}
		slices.Sort(g.Hosts)
		if !slices.Equal(g.Hosts, hosts) {
			t.Errorf("group %s has %v, want %v", group, g.Hosts, hosts)
		}
	}
}

// TestSSHTakesProxyJump asks ssh itself what it makes of the arguments.
func TestSSHTakesProxyJump(t *testing.T) {
	ssh := need.Tool(t, "ssh")
	for _, tc := range []struct{ address, want string }{
		{"192.0.2.2", "proxyjump ingot@192.0.2.2"},
		{`"2001:db8::2"`, "proxyjump ingot@2001:db8::2"},
		{"gate.example.net", "proxyjump ingot@gate.example.net"},
	} {
		c := parse(t, "apiVersion: ingot/v1\nkind: Cluster\nname: a\ndomain: a.example.com\nnodes:\n"+
			"- {name: a, roles: [controller, worker], address: "+tc.address+"}\n- {name: b, roles: [worker]}\n")
		_, args, found := strings.Cut(string(render(t, c, "ansible")), "ansible_ssh_common_args: ")
		if !found {
			t.Fatal("no arguments for the node without an address")
		}
		args, _, _ = strings.Cut(args, "\n")
		argv := append([]string{ssh, "-T", "-F", "none", "-G"}, strings.Fields(strings.Trim(args, `'"`))...)
		// ssh prints brackets around any host of a jump.
		out := strings.NewReplacer("[", "", "]", "").Replace(runTool(t, append(argv, "10.42.0.2")...))
		if !strings.Contains(out, tc.want+"\n") {
			t.Errorf("ssh %s understands:\n%s\nwant %s", args, out, tc.want)
		}
	}
}

// TestNamedLoadsTheZone includes the records in a zone and lets BIND check it.
func TestNamedLoadsTheZone(t *testing.T) {
	tool := need.Tool(t, "named-checkzone")
	for _, name := range append(clusters, "named") {
		t.Run(name, func(t *testing.T) {
			c := load(t, strings.Replace(name, "named", "lab", 1))
			if name == "named" { // every controller and edge has a name for an address
				c = parse(t, "apiVersion: ingot/v1\nkind: Cluster\nname: a\ndomain: a.example.com\napi: {names: [a.example.com]}\nnodes:\n"+
					"- {name: a, roles: [controller, worker, edge], address: x.example.net}\n- {name: b, roles: [worker], address: edge.a.example.com}\n")
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "zone")
			text := "$TTL 3600\n@ IN SOA ns.example.net. hostmaster.example.net. 1 3600 900 604800 300\n@ IN NS ns.example.net.\n"
			if err := os.WriteFile(file, append([]byte(text), render(t, c, "dns")...), 0o600); err != nil {
				t.Fatal(err)
			}
			// -D prints the zone as the server has it.
			out := runTool(t, tool, "-i", "local", "-k", "fail", "-n", "fail", "-m", "fail", "-D", "-q", "-o", "-", c.Def.Domain, file)
			records := 0
			for line := range strings.Lines(string(render(t, c, "dns"))) {
				if !strings.HasPrefix(line, ";") && !strings.HasPrefix(line, "$") {
					records++
				}
			}
			if got := strings.Count(out, "\n") - 2; got != records || records == 0 {
				t.Errorf("BIND has %d records, want %d:\n%s", got, records, out)
			}
		})
	}
}

// TestHostsAreHosts reads the lines back as the C library does: an address,
// then names; no name stands for two addresses of one family.
func TestHostsAreHosts(t *testing.T) {
	for _, name := range clusters {
		seen := map[string]bool{}
		for line := range strings.Lines(string(render(t, load(t, name), "hosts"))) {
			line, _, _ = strings.Cut(line, "#")
			fields := strings.Fields(line)
			if len(fields) == 0 {
				continue
			}
			family := "4 "
			if strings.Contains(fields[0], ":") {
				family = "6 "
			}
			for _, host := range fields[1:] {
				if seen[family+host] {
					t.Errorf("%s: %s stands for two addresses", name, host)
				}
				seen[family+host] = true
			}
		}
	}
}
