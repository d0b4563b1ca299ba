package ignition

import (
	"strconv"

	"github.com/ingot-k8s/ingot/cluster"
)

const (
	etcdEnvPath = "/etc/etcd/etcd.env"
	etcdDataDir = "/var/lib/etcd"
	// etcdOwner gets etcd's keys on machines that have such a user.
	etcdOwner = "?etcd:etcd"
)

// etcdFiles has etcd's settings, as environment variables that etcd 3.4 and
// later take as they stand.
func etcdFiles(c *cluster.Cluster, n *cluster.Node) []File {
	if !n.Has(cluster.Controller) {
		return nil
	}
	e := &c.Def.Etcd
	loopback := "https://127.0.0.1:" + strconv.Itoa(e.ClientPort)
	return []File{public(etcdEnvPath, envFile("ETCD_", [][2]string{
		{"NAME", n.Name},
		{"DATA_DIR", etcdDataDir},
		{"LISTEN_CLIENT_URLS", c.EtcdClientURL(n) + "," + loopback},
		{"ADVERTISE_CLIENT_URLS", c.EtcdClientURL(n)},
		{"LISTEN_PEER_URLS", c.EtcdPeerURL(n)},
		{"INITIAL_ADVERTISE_PEER_URLS", c.EtcdPeerURL(n)},
		{"INITIAL_CLUSTER", c.EtcdInitialCluster()},
		{"INITIAL_CLUSTER_STATE", "new"},
		{"INITIAL_CLUSTER_TOKEN", c.Def.Name},
		// Plain HTTP, because who asks for health has no client certificate; the
		// mesh encrypts it on the way.
		{"LISTEN_METRICS_URLS", "http://" + hostPort(n.MeshIP(), e.MetricsPort)},
		{"CERT_FILE", etcdPKI + "server.crt"},
		{"KEY_FILE", etcdPKI + "server.key"},
		{"TRUSTED_CA_FILE", etcdPKI + "ca.crt"},
		{"CLIENT_CERT_AUTH", "true"},
		{"PEER_CERT_FILE", etcdPKI + "peer.crt"},
		{"PEER_KEY_FILE", etcdPKI + "peer.key"},
		{"PEER_TRUSTED_CA_FILE", etcdPKI + "ca.crt"},
		{"PEER_CLIENT_CERT_AUTH", "true"},
		{"HEARTBEAT_INTERVAL", milliseconds(e.HeartbeatInterval)},
		{"ELECTION_TIMEOUT", milliseconds(e.ElectionTimeout)},
		{"QUOTA_BACKEND_BYTES", strconv.Itoa(e.QuotaMiB << 20)},
		{"SNAPSHOT_COUNT", strconv.Itoa(e.SnapshotCount)},
		// A member that was cut off does not disturb the others when it is back.
		{"PRE_VOTE", "true"},
	}))}
}

func milliseconds(d cluster.Duration) string {
	return strconv.FormatInt(d.Std().Milliseconds(), 10)
}
