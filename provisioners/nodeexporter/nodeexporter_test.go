package nodeexporter_test

import (
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/nodeexporter"
)

func TestLayer(t *testing.T) { sample.Golden(t, nodeexporter.Layer) }

func TestUnit(t *testing.T) {
	l := nodeexporter.Layer(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Exposure(t, l, "node-exporter.service", 1.6)
}

func TestOff(t *testing.T) {
	l := nodeexporter.Layer(sample.Parse(t, "features: {nodeExporter: false}\n"))
	if len(l.Files)+len(l.Units)+len(l.Listeners)+len(l.Components) > 0 {
		t.Errorf("got %+v", l)
	}
}

func TestListens(t *testing.T) {
	for name, want := range map[string]string{"prod": "=${INGOT_MESH_IP}:9100 ", "ipv6": "=[${INGOT_MESH_IP}]:9100 "} {
		if unit := nodeexporter.Layer(sample.Cluster(t, name)).Units[0].Content; !strings.Contains(unit, "--web.listen-address"+want) {
			t.Errorf("%s: %s", name, unit)
		}
	}
}
