package proxy_test

import (
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/proxy"
)

func TestLayer(t *testing.T) { sample.Golden(t, proxy.Layer) }

func TestUnit(t *testing.T) {
	l := proxy.Layer(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Exposure(t, l, "kube-proxy.service", 2.5)
}

// TestOwnFlags: a definition cannot set again what is set here.
func TestOwnFlags(t *testing.T) {
	sample.OwnFlags(t, proxy.Layer, "kube-proxy.service", "proxy", cluster.OwnFlags("proxy"),
		"conntrack-max-per-core", "oom-score-adj", "proxy-mode")
}

// TestKnownFlags asks kube-proxy itself. TestStart of the layer controlplane
// starts it.
func TestKnownFlags(t *testing.T) {
	sample.KnownFlags(t, proxy.Layer, "kube-proxy.service", "kube-proxy")
}

// TestDefaultsGiveWay: a flag of the definition is there once, with its value.
func TestDefaultsGiveWay(t *testing.T) {
	c := sample.Parse(t, "")
	c.Def.Kubernetes.ExtraArgs.Proxy = map[string]string{"conntrack-max-per-core": "1024"}
	if got := sample.Value(t, proxy.Layer(c), "kube-proxy.service", "conntrack-max-per-core"); got != "1024" {
		t.Errorf("got %q", got)
	}
}
