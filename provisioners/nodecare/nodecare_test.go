package nodecare_test

import (
	"testing"

	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/nodecare"
)

func TestLayer(t *testing.T) { sample.Golden(t, nodecare.Layer) }

func TestUnits(t *testing.T) {
	l := nodecare.Layer(sample.Cluster(t, "everything"))
	sample.Verify(t, l)
	for _, u := range l.Units {
		sample.Exposure(t, l, u.Name, 5.0)
	}
}
