package cluster_test

import (
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
)

// TestGoodDefinitions: no errors and no warnings.
func TestGoodDefinitions(t *testing.T) {
	for _, pattern := range []string{"testdata/good/*.yaml", "../clusters/*/cluster.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			t.Run(file, func(t *testing.T) {
				c, r, err := cluster.Load(file)
				if err != nil || len(r.Problems) > 0 {
					t.Fatalf("%v\n%s", err, report(t, r))
				}
				if len(c.Nodes) != len(c.Def.Nodes)+c.Def.Spares || c.File != file {
					t.Errorf("%d nodes of %s", len(c.Nodes), c.File)
				}
			})
		}
	}
}
