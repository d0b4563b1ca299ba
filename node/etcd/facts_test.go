package etcd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
)

// TestFacts reads what the generator writes.
func TestFacts(t *testing.T) {
	c, report, err := cluster.Load("../../clusters/prod/cluster.yaml")
	must(t, err)
	must(t, report.Err())
	all := c.WithRole(cluster.Controller)
	for i, n := range all {
		data, err := json.Marshal(ignition.FactsOf(c, n))
		must(t, err)
		f, err := ParseFacts(data)
		must(t, err)
		if f.Self != i || f.Cluster != c.Def.Name || len(f.Controllers) != len(all) {
			t.Fatalf("%s: %+v", n.Name, f)
		}
		metrics := fmt.Sprintf("http://%s:%d/metrics", n.MeshIP(), c.Def.Etcd.MetricsPort)
		if want := (Controller{Name: n.Name, PeerURL: c.EtcdPeerURL(n), ClientURL: c.EtcdClientURL(n), MetricsURL: metrics}); f.Me() != want {
			t.Errorf("got %+v, want %+v", f.Me(), want)
		}
		if f.Definition != definition(c.Def.Name, c.EtcdInitialCluster()) {
			t.Error("another definition")
		}
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		data, err := json.Marshal(ignition.FactsOf(c, n))
		must(t, err)
		if _, err := ParseFacts(data); !n.Has(cluster.Controller) && (err == nil || !strings.Contains(err.Error(), "is no controller")) {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

func TestFactsRefused(t *testing.T) {
	const good = `{"apiVersion":"ingot/v1","kind":"Node","cluster":"lab","domain":"lab.example.com","name":"lab0","fqdn":"lab0.lab.example.com","index":1,
"roles":["controller"],"mesh":{"interface":"mesh0","addresses":["10.42.0.1"]},"etcd":{"endpoints":["https://10.42.0.1:2379","https://10.42.0.2:2379"],
"initialCluster":"lab0=https://10.42.0.1:2380,lab1=https://10.42.0.2:2380","metricsPort":2381}}`
	if _, err := ParseFacts([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for old, bad := range map[string][2]string{
		"lab0=https://10.42.0.1:2380":          {"lab9=https://10.42.0.1:2380", "does not have this node, lab0"},
		"lab1=https://10.42.0.2:2380":          {"lab0=https://10.42.0.2:2380", "lab0 twice"},
		"lab1=https":                           {"lab1=http", "which is not name=https://address:port"},
		"https://10.42.0.2:2379":               {"https://10.42.0.3:2379", "etcd.endpoints has none for lab1"},
		`"metricsPort":2381`:                   {`"metricsPort":"x"`, "other types"},
		`["controller"]`:                       {`["worker"]`, "is no controller"},
		",lab1=https://10.42.0.2:2380":         {",", "which is not name="},
		"lab1=https://10.42.0.2:2380\",\"metr": {"lab1=https://10.42.0.1:2380\",\"metr", "twice"},
	} {
		_, err := ParseFacts([]byte(strings.Replace(good, old, bad[0], 1)))
		if err == nil || !strings.Contains(err.Error(), bad[1]) {
			t.Errorf("%s for %s: %v, want %q", bad[0], old, err, bad[1])
		}
	}
}

// TestIDsOfEtcd: the IDs that a first start is expected to have are those that
// etcd gives it, and those in its log.
func TestIDsOfEtcd(t *testing.T) {
	w := start(t, 3)
	m := w.machines[0]
	d, err := readData(m.root)
	must(t, err)
	r, err := readRecord(m.root)
	must(t, err)
	l, err := m.client().list(t.Context())
	must(t, err)
	f, err := ReadFacts(m.root)
	must(t, err)
	ids := firstMembers(f, token(f, r.Vector))
	if got := clusterID(ids); got != l.Header.ClusterID || got != d.Cluster {
		t.Errorf("cluster %s, etcd says %s, its log %s", got, l.Header.ClusterID, d.Cluster)
	}
	for i, c := range w.machines {
		if e, ok := byID(l.Members, ids[i]); !ok || e.Name != c.name {
			t.Errorf("member %s of %s: etcd has %v", ids[i], c.name, l.Members)
		}
	}
	if d.Member != ids[0] || d.Member != l.Header.MemberID {
		t.Errorf("member %s, the log says %s, etcd %s", ids[0], d.Member, l.Header.MemberID)
	}
}

// head is the start of a log that etcd 3.4.23 wrote.
var head = []byte{
	0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x84, 0x08, 0x04, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x1e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x82, 0x08, 0x01, 0x10, 0x9b, 0xc3, 0xf5, 0xf7, 0x0f, 0x1a, 0x14, 0x08, 0xe7,
	0x9d, 0xaf, 0xbc, 0xca, 0xa1, 0xaa, 0xbb, 0x5c, 0x10, 0xac, 0xeb, 0x81, 0xf9, 0x8e, 0xb1, 0xc0, 0xb7, 0x53, 0x00, 0x00,
}

func TestLogHead(t *testing.T) {
	cluster, member, err := walHead(bytes.NewReader(head))
	if err != nil || cluster != 0x536f0188ef2075ac || member != 0x5c76a90ca78bcee7 {
		t.Errorf("got %s, %s, %v", cluster, member, err)
	}
	for n := range len(head) {
		if _, _, err := walHead(bytes.NewReader(head[:n])); err == nil {
			t.Errorf("%d bytes were enough", n)
		}
	}
}

func FuzzLogHead(f *testing.F) {
	f.Add(head)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := walHead(bytes.NewReader(data)); err == nil && len(data) < 16 {
			t.Errorf("read from %x", data)
		}
	})
}

// TestData: it is the log that counts, and a log that cannot be read is data.
func TestData(t *testing.T) {
	root := t.TempDir()
	if d, err := readData(root); err != nil || d.There {
		t.Errorf("nothing: %+v, %v", d, err)
	}
	must(t, (&record{Nonce: "n"}).write(root))
	must(t, os.Mkdir(filepath.Join(root, memberDir, "wal.tmp"), 0o700))
	must(t, os.Mkdir(filepath.Join(root, memberDir, "wal"), 0o700))
	if d, err := readData(root); err != nil || d.There {
		t.Errorf("no log: %+v, %v", d, err)
	}
	must(t, os.WriteFile(filepath.Join(root, memberDir, "wal", "0000000000000000-0000000000000000.wal"), []byte("garbage"), 0o600))
	if d, err := readData(root); err != nil || !d.There || d.Cluster != 0 {
		t.Errorf("garbage: %+v, %v", d, err)
	}
}

// TestOwner: what is made in a folder of etcd's is etcd's.
func TestOwner(t *testing.T) {
	need.Root(t)
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, dataDir), 0o700))
	must(t, os.Chown(filepath.Join(root, dataDir), 820, 821))
	must(t, (&record{Nonce: "n"}).write(root))
	info, err := os.Stat(filepath.Join(root, memberDir))
	must(t, err)
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 820 || stat.Gid != 821 || info.Mode().Perm() != 0o700 {
		t.Errorf("it belongs to %d:%d, mode %v", stat.Uid, stat.Gid, info.Mode())
	}
}

// TestAside: nothing that was moved aside is ever overwritten.
func TestAside(t *testing.T) {
	root, now := t.TempDir(), time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for _, want := range []string{"/var/lib/etcd/aside-20261121-200000", "/var/lib/etcd/aside-20261121-200000-2", "/var/lib/etcd/aside-20261121-200000-3"} {
		must(t, (&record{Nonce: want}).write(root))
		if got, err := moveAside(root, now); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if r, err := readJSON[record](root, want[1:]+"/ingot.json"); err != nil || r.Nonce != want {
			t.Errorf("it has %+v, %v", r, err)
		}
	}
	if got, err := moveAside(root, now); err != nil || got != "" {
		t.Errorf("nothing: %q, %v", got, err)
	}
}

// TestOneKeeper: a second one does not get in the way of the first.
func TestOneKeeper(t *testing.T) {
	w := start(t, 1)
	err := w.machines[0].keeper().Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another ingot-node etcd looks after this node") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := os.Stat(filepath.Join(w.machines[0].root, settingsPath)); err != nil {
		t.Error(err)
	}
}

func TestConnections(t *testing.T) {
	const metrics = `# HELP etcd_network_active_peers The current number of active peer connections.
# TYPE etcd_network_active_peers gauge
etcd_network_active_peers{Local="72f79317e5d4052d",Remote="2bc2eb7a9766e898"} 1
etcd_network_active_peers{Local="72f79317e5d4052d",Remote="9dbbd2c7d8dd8acb"} 0
etcd_network_peer_received_bytes_total{From="0"} 84124
etcd_network_peer_received_bytes_total{From="2bc2eb7a9766e898"} 1.23e+06
etcd_network_peer_received_bytes_total{From="9dbbd2c7d8dd8acb"} 17
etcd_network_peer_sent_bytes_total{To="9dbbd2c7d8dd8acb"} 99
broken{
`
	if active, bytes := connections([]byte(metrics), 0x2bc2eb7a9766e898); !active || bytes != 1.23e6 {
		t.Errorf("alive: %v, %v", active, bytes)
	}
	if active, bytes := connections([]byte(metrics), 0x9dbbd2c7d8dd8acb); active || bytes != 17 {
		t.Errorf("dead: %v, %v", active, bytes)
	}
	if active, bytes := connections([]byte(metrics), 1); active || bytes != 0 {
		t.Errorf("unknown: %v, %v", active, bytes)
	}
}
