package pki

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// now is the time of the tests that depend on none.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// shipped gives a definition that ships with the project, as text.
func shipped(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("../clusters/" + name + "/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// define parses a definition into a fresh folder, with keys and nodes that
// are quick to make.
func define(t testing.TB, dir, text string) *cluster.Cluster {
	t.Helper()
	ledger, err := cluster.LoadIndexes(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cluster.yaml")
	c, err := cluster.Parse(file, []byte(text), ledger, &diag.Report{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// small is a cluster of one controller and one worker.
const small = `
apiVersion: ingot/v1
kind: Cluster
name: small
domain: small.example.com
nodes:
  - {name: m0, roles: [controller], address: 192.0.2.10}
  - {name: w0, roles: [worker]}
`

// fixture is a store in a folder of the test's own.
type fixture struct {
	*Store
	t      testing.TB
	config string
	text   string
}

func newFixture(t testing.TB, text string) *fixture {
	t.Helper()
	f := &fixture{t: t, config: filepath.Join(t.TempDir(), "config"), text: text}
	f.reopen(t.TempDir(), text, now)
	return f
}

// reopen opens the store in dir with another definition or at another time.
func (f *fixture) reopen(dir, text string, at time.Time) {
	f.t.Helper()
	s, err := Open(define(f.t, dir, text), Options{ConfigDir: f.config, Now: at})
	if err != nil {
		f.t.Fatal(err)
	}
	f.Store, f.text = s, text
}

// edit replaces words of the definition.
func (f *fixture) edit(oldnew ...string) {
	f.t.Helper()
	text := strings.NewReplacer(oldnew...).Replace(f.text)
	if text == f.text {
		f.t.Fatalf("nothing to replace: %q", oldnew)
	}
	f.reopen(f.c.Dir, text, f.o.Now)
}

func (f *fixture) ensure() []string {
	f.t.Helper()
	return texts(f.mustEnsure())
}

func (f *fixture) mustEnsure() []Change {
	f.t.Helper()
	changes, err := f.Ensure(context.Background(), EnsureOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return changes
}

func texts(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

// snapshot reads a folder: content by path, and modes.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := info.Mode().String()
		if !d.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content += "\n" + string(data)
		}
		rel, err := filepath.Rel(dir, path)
		out[rel] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
