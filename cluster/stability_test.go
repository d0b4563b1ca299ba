package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// definition is a small definition with these nodes.
func definition(names []string, spares int, more string) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: ingot/v1\nkind: Cluster\nname: a\ndomain: a.example.com\n" + more + "nodes:\n")
	for i, name := range names {
		fmt.Fprintf(&b, "  - {name: %s, roles: [controller, worker], address: 192.0.2.%d}\n", name, i+1)
	}
	fmt.Fprintf(&b, "spares: %d\n", spares)
	return []byte(b.String())
}

func derive(t *testing.T, data []byte, ledger cluster.Indexes) *cluster.Cluster {
	t.Helper()
	var r diag.Report
	c, err := cluster.Parse("cluster.yaml", data, ledger, &r)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return c
}

// indexes gives name=index of the nodes and spares.
func indexes(c *cluster.Cluster) string {
	var out []string
	for _, n := range c.Nodes {
		out = append(out, fmt.Sprintf("%s=%d", n.Name, n.Index))
	}
	return strings.Join(out, " ")
}

// TestIndexesStay walks through the life of a cluster: whatever is done to the
// definition, a name keeps its index, and nobody gets that of a removed node.
func TestIndexesStay(t *testing.T) {
	var ledger cluster.Indexes
	for _, step := range []struct {
		what   string
		nodes  []string
		spares int
		want   string
	}{
		{"begin", []string{"a", "b", "c"}, 2, "a=1 b=2 c=3 spare0=254 spare1=253"},
		{"append", []string{"a", "b", "c", "d"}, 2, "a=1 b=2 c=3 d=4 spare0=254 spare1=253"},
		{"remove from the middle", []string{"a", "c", "d"}, 2, "a=1 c=3 d=4 spare0=254 spare1=253"},
		{"append after removing", []string{"a", "c", "d", "e"}, 2, "a=1 c=3 d=4 e=5 spare0=254 spare1=253"},
		{"insert at the front", []string{"z", "a", "c", "d", "e"}, 2, "z=6 a=1 c=3 d=4 e=5 spare0=254 spare1=253"},
		{"reorder", []string{"e", "d", "c", "a", "z"}, 2, "e=5 d=4 c=3 a=1 z=6 spare0=254 spare1=253"},
		{"add again", []string{"e", "d", "c", "b", "a", "z"}, 2, "e=5 d=4 c=3 b=2 a=1 z=6 spare0=254 spare1=253"},
		{"more spares", []string{"a", "b"}, 4, "a=1 b=2 spare0=254 spare1=253 spare2=252 spare3=251"},
		{"fewer spares", []string{"a", "b"}, 1, "a=1 b=2 spare0=254"},
		{"spares again, and a node", []string{"a", "b", "f"}, 5, "a=1 b=2 f=7 spare0=254 spare1=253 spare2=252 spare3=251 spare4=250"},
	} {
		c := derive(t, definition(step.nodes, step.spares, ""), ledger)
		if got := indexes(c); got != step.want {
			t.Errorf("%s:\ngot  %s\nwant %s", step.what, got, step.want)
		}
		ledger = c.Indexes
	}
}

// TestRangesMayGrow: a wider range that starts at the same address changes
// nothing for those who are there.
func TestRangesMayGrow(t *testing.T) {
	c := derive(t, definition([]string{"a", "b"}, 1, "mesh: {cidr: 10.42.0.0/24}\nkubernetes: {podCIDR: 10.244.0.0/18}\napi: {vip: 10.42.0.200}\n"), nil)
	before := fmt.Sprint(c.Nodes[0].MeshIPs, c.Nodes[2].MeshIPs, c.Nodes[2].PodCIDRs)
	c = derive(t, definition([]string{"a", "b"}, 1, "mesh: {cidr: 10.42.0.0/16}\nkubernetes: {podCIDR: 10.244.0.0/16}\napi: {vip: 10.42.0.200}\n"), c.Indexes)
	if after := fmt.Sprint(c.Nodes[0].MeshIPs, c.Nodes[2].MeshIPs, c.Nodes[2].PodCIDRs); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
}

// TestRandomEdits edits a definition at random, saves the ledger as the key
// store does, and holds every step against all that went before.
func TestRandomEdits(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		file := filepath.Join(dir, "cluster.yaml")
		life := map[string]string{} // name -> index and addresses, for ever
		owner := map[int]string{}   // index -> the one name that ever had it
		var nodes []string
		spares, born := 0, 0
		for range 60 {
			switch k := rng.IntN(6); {
			case k <= 1 || len(nodes) == 0: // a new node, anywhere
				nodes = slices.Insert(nodes, rng.IntN(len(nodes)+1), fmt.Sprintf("n%d", born))
				born++
			case k == 2 && len(nodes) > 1:
				nodes = slices.Delete(nodes, 0, 1+rng.IntN(len(nodes)-1))
			case k == 3: // an old one comes back
				if name := fmt.Sprintf("n%d", rng.IntN(born)); !slices.Contains(nodes, name) {
					nodes = append(nodes, name)
				}
			case k == 4:
				rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
			default:
				spares = rng.IntN(8)
			}
			if err := os.WriteFile(file, definition(nodes, spares, "mesh: {cidr: \"10.42.0.0/16,fd42::/64\"}\nkubernetes: {podCIDR: \"10.244.0.0/16,fd44::/48\", serviceCIDR: \"10.96.0.0/16,fd45::/112\"}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c, _, err := cluster.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.Nodes {
				n := &c.Nodes[i]
				now := fmt.Sprint(n.Index, n.MeshIPs, n.PodCIDRs)
				if was, known := life[n.Name]; known && was != now {
					t.Fatalf("seed %d: %s was %s and is %s", seed, n.Name, was, now)
				}
				if other, taken := owner[n.Index]; taken && other != n.Name {
					t.Fatalf("seed %d: %s has index %d of %s", seed, n.Name, n.Index, other)
				}
				life[n.Name], owner[n.Index] = now, n.Name
			}
			for name := range life {
				if _, kept := c.Indexes[name]; !kept {
					t.Fatalf("seed %d: the ledger lost %s", seed, name)
				}
			}
			checkAddresses(t, c)
			if rng.IntN(4) > 0 || len(c.Indexes) == 0 {
				if err := c.Indexes.Save(dir); err != nil {
					t.Fatal(err)
				}
			} else {
				// Not saved: nothing was issued, so new names have no index yet.
				saved, err := cluster.LoadIndexes(dir)
				if err != nil {
					t.Fatal(err)
				}
				for name := range life {
					if _, kept := saved[name]; !kept {
						delete(owner, c.Indexes[name])
						delete(life, name)
					}
				}
			}
		}
	}
}

// checkAddresses: every address is in its range, nobody's but the node's, and
// not one that means something else.
func checkAddresses(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	seen := map[netip.Addr]string{c.VIP: "the API"}
	var pods []netip.Prefix
	for _, n := range c.Nodes {
		if len(n.MeshIPs) != len(c.MeshCIDRs) || len(n.PodCIDRs) != len(c.PodCIDRs) {
			t.Fatalf("%s has %v and %v", n.Name, n.MeshIPs, n.PodCIDRs)
		}
		for k, a := range n.MeshIPs {
			if !c.MeshCIDRs[k].Contains(a) || a == c.MeshCIDRs[k].Addr() {
				t.Fatalf("%s has %s, which is no host of %s", n.Name, a, c.MeshCIDRs[k])
			}
			if other, taken := seen[a]; taken {
				t.Fatalf("%s has %s of %s", n.Name, a, other)
			}
			seen[a] = n.Name
		}
		for k, p := range n.PodCIDRs {
			if c.PodCIDRs[k].Bits() > p.Bits() || !c.PodCIDRs[k].Contains(p.Addr()) || p != p.Masked() {
				t.Fatalf("%s has the pod range %s of %s", n.Name, p, c.PodCIDRs[k])
			}
			if slices.ContainsFunc(pods, p.Overlaps) {
				t.Fatalf("%s has the pod range %s of another node", n.Name, p)
			}
			pods = append(pods, p)
		}
	}
}

// TestDerivedAddresses of each family and of both.
func TestDerivedAddresses(t *testing.T) {
	for _, tc := range []struct{ name, file, want string }{
		{"IPv4", "../clusters/prod/cluster.yaml", "vip 10.42.255.254 service [10.96.0.1] dns [10.96.0.10] " +
			"last [10.42.0.253] [10.244.253.0/24] etcd master0=https://10.42.0.1:2380,master1=https://10.42.0.2:2380,master2=https://10.42.0.3:2380 " +
			"local https://127.0.0.1:7443 outside https://api.prod.example.com:6443"},
		{"IPv6", "testdata/good/ipv6.yaml", "vip fd42::ffff:ffff:ffff:ffff service [fd45::1] dns [fd45::a] " +
			"last [fd42::2] [fd44:0:0:2::/64] etcd a=https://[fd42::1]:2380 " +
			"local https://127.0.0.1:7443 outside https://[fd42::ffff:ffff:ffff:ffff]:6443"},
		{"both", "testdata/good/dual-stack.yaml", "vip 10.42.7.7 service [10.96.0.1 fd45::1] dns [10.96.0.10 fd45::a] " +
			"last [10.42.0.254 fd42::fe] [10.244.254.0/24 fd44:0:0:fe::/64] etcd a=https://10.42.0.1:2380 " +
			"local https://127.0.0.1:7443 outside https://10.42.7.7:6443"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _, err := cluster.Load(tc.file)
			if err != nil {
				t.Fatal(err)
			}
			checkAddresses(t, c)
			last := c.Nodes[len(c.Nodes)-1]
			got := fmt.Sprintf("vip %s service %s dns %s last %s %s etcd %s local %s outside %s", c.VIP, c.ServiceIPs, c.DNSIPs,
				last.MeshIPs, last.PodCIDRs, c.EtcdInitialCluster(), c.LocalAPIURL(), c.ExternalAPIURL())
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestEveryPlaceIsUsed fills the ranges to the last index.
func TestEveryPlaceIsUsed(t *testing.T) {
	more := "mesh: {cidr: 10.42.0.0/28}\nkubernetes: {podCIDR: 10.244.0.0/16}\n"
	// Of sixteen addresses: not the network, the broadcast and the virtual one.
	c := derive(t, definition([]string{"a"}, 12, more), nil)
	checkAddresses(t, c)
	var r diag.Report
	if _, err := cluster.Parse("cluster.yaml", definition([]string{"a"}, 13, more), nil, &r); err == nil {
		t.Error("fourteen nodes in a /28 are accepted")
	}
	// A removed node keeps its place, so a new one has none.
	if _, err := cluster.Parse("cluster.yaml", definition([]string{"b"}, 12, more), c.Indexes, &r); err == nil {
		t.Error("the place of a removed node is given to another")
	}
}

func TestNodeByName(t *testing.T) {
	c, _, err := cluster.Load("../clusters/prod/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, cl := range []*cluster.Cluster{c, {Nodes: c.Nodes}} { // loaded, and put together by hand
		n, ok := cl.Node("edge0")
		if !ok || n != &cl.Nodes[3] || c.FQDN(n) != "edge0.prod.example.com" {
			t.Errorf("edge0: %v, %v", n, ok)
		}
		if n, ok := cl.Node("nobody"); ok {
			t.Errorf("nobody is %v", n)
		}
	}
}
