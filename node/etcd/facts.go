package etcd

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/node/identity"
)

// Controller is a node that has a member of etcd by the definition.
type Controller struct {
	Name      string `json:"name"`
	PeerURL   string `json:"peerURL"`
	ClientURL string `json:"clientURL"`
	// MetricsURL is where its etcd serves metrics, in plain text.
	MetricsURL string `json:"metricsURL"`
}

// Facts are what this node knows about etcd without asking anybody.
type Facts struct {
	Cluster     string
	Self        int // which of Controllers this node is
	Controllers []Controller
	// Definition is a hash of the cluster's name and initial members. Nodes of
	// which one was given other controllers than the other have another.
	Definition string
}

// Me is this node.
func (f *Facts) Me() Controller { return f.Controllers[f.Self] }

// ReadFacts reads /etc/ingot/node.json below root.
func ReadFacts(root string) (*Facts, error) {
	data, err := atomicfile.ReadFile(filepath.Join(root, identity.FactsPath), maxFile)
	if err != nil {
		return nil, err
	}
	f, err := ParseFacts(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", identity.FactsPath, err)
	}
	return f, nil
}

// ParseFacts reads what etcd needs of node.json.
func ParseFacts(data []byte) (*Facts, error) {
	id, err := identity.ParseFacts(data)
	if err != nil {
		return nil, err
	}
	if !id.Has("controller") {
		return nil, fmt.Errorf("node %s is no controller, so it has no etcd", id.Name)
	}
	var file struct {
		Etcd struct {
			Endpoints      []string `json:"endpoints"`
			InitialCluster string   `json:"initialCluster"`
			MetricsPort    int      `json:"metricsPort"`
		} `json:"etcd"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, errors.New("etcd has values of other types than it should have")
	}
	e := file.Etcd
	f := &Facts{Cluster: id.Cluster, Self: -1, Definition: definition(id.Cluster, e.InitialCluster)}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(e.InitialCluster, ",") {
		c, err := controller(pair, e.Endpoints, e.MetricsPort)
		if err != nil {
			return nil, err
		}
		if seen[c.Name] || seen[c.PeerURL] {
			return nil, fmt.Errorf("etcd.initialCluster has %s twice", c.Name)
		}
		seen[c.Name], seen[c.PeerURL] = true, true
		if c.Name == id.Name {
			f.Self = len(f.Controllers)
		}
		f.Controllers = append(f.Controllers, c)
	}
	if f.Self < 0 {
		return nil, fmt.Errorf("etcd.initialCluster does not have this node, %s", id.Name)
	}
	return f, nil
}

// controller reads one name=URL, and finds the node's endpoint by its address.
func controller(pair string, endpoints []string, metricsPort int) (Controller, error) {
	name, peer, ok := strings.Cut(pair, "=")
	u, err := url.Parse(peer)
	if !ok || name == "" || err != nil || u.Scheme != "https" || u.Port() == "" || u.Path != "" {
		return Controller{}, fmt.Errorf("etcd.initialCluster has %q, which is not name=https://address:port", pair)
	}
	for _, e := range endpoints {
		client, err := url.Parse(e)
		if err == nil && client.Scheme == "https" && client.Hostname() == u.Hostname() {
			return Controller{
				Name: name, PeerURL: peer, ClientURL: e,
				MetricsURL: "http://" + net.JoinHostPort(u.Hostname(), strconv.Itoa(metricsPort)) + "/metrics",
			}, nil
		}
	}
	return Controller{}, fmt.Errorf("etcd.endpoints has none for %s", name)
}

func definition(cluster, initial string) string {
	sum := sha256.Sum256([]byte(cluster + "\n" + initial))
	return hex.EncodeToString(sum[:16])
}

// address is the host:port of a URL that was checked when it was read.
func address(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}
