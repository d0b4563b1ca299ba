package cluster_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
)

// report is what a person sees of a definition's problems.
func report(t *testing.T, r *diag.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// secretParts are parts of the private keys and passwords in the bad
// definitions. No report may show them.
var secretParts = []string{"b3BlbnNza", "AGE-SECRET-KEY", "hunter2", "0123456789abcdef0123456789abcdef"}

// TestBadDefinitions holds the whole report of each bad definition, carets
// included, against a golden file. Every one of them must be refused.
func TestBadDefinitions(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("bad definitions: %d, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, r, err := cluster.Load(file)
			var reportErr *diag.ReportError
			if c != nil || !errors.As(err, &reportErr) || reportErr.Report != r {
				t.Fatalf("loading a bad definition: cluster %v, error %v; want its report as the error", c, err)
			}
			for _, p := range r.Problems {
				if p.Pos.Line < 1 || p.Pos.Col < 1 || p.Pos.File != file {
					t.Errorf("%s: the position is not exact", p)
				}
			}
			text := report(t, r)
			for _, secret := range secretParts {
				if bytes.Contains(text, []byte(secret)) {
					t.Errorf("the report shows the secret %s...", secret)
				}
			}
			golden.Check(t, strings.TrimSuffix(file, ".yaml")+".txt", text)
		})
	}
}
