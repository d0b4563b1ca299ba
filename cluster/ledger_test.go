package cluster_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
)

// withLedger makes a folder with a definition and a ledger beside it.
func withLedger(t *testing.T, data, ledger string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "cluster.yaml")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, cluster.IndexesFile), []byte(ledger), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestLedgerFaults: what is wrong with the ledger is said with its name and
// line, and no cluster is derived without it.
func TestLedgerFaults(t *testing.T) {
	for _, tc := range []struct{ name, ledger, want string }{
		{"not a ledger", "- a\n- b\n", `indexes.yaml:1: "- a" is not a line of a ledger`},
		{"binary", "\x00\x01\x02", `indexes.yaml:1: "\x00\x01\x02" is not a line of a ledger`},
		{"cut off", "a: 1\nb", `indexes.yaml:2: "b" is not a line of a ledger`},
		{"not a number", "a: one\n", `indexes.yaml:1: "a: one" is not a line`},
		{"fraction", "a: 1.5\n", `indexes.yaml:1: "a: 1.5" is not a line`},
		{"huge number", "a: 99999999999999999999\n", "is not a line"},
		{"zero", "# x\n\na: 0\n", `indexes.yaml:3: index 0 of "a" is not in 1 to 5500`},
		{"negative", "a: -1\n", `index -1 of "a" is not in 1 to 5500`},
		{"too high", "a: 5501\n", `index 5501 of "a" is not in 1 to 5500`},
		{"same name", "a: 1\nb: 2\na: 3\n", `indexes.yaml:3: "a" is given twice, with index 1 and 3`},
		{"same index", "a: 1\nb: 2\nc: 1\n", `indexes.yaml:3: "a" and "c" both have index 1`},
		{"merge conflict", "a: 1\n<<<<<<< HEAD\nb: 2\n=======\nc: 2\n>>>>>>> x\n", `indexes.yaml:2: a merge conflict`},
		{"not a name", "A_b: 1\n", "is not a line"},
		{"anchors", "a: &x 1\nb: *x\n", "indexes.yaml:1: "},
		{"too large", strings.Repeat("# comment\n", 60_000), "at most 524288"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := withLedger(t, string(definition([]string{"a"}, 0, "")), tc.ledger)
			c, r, err := cluster.Load(file)
			if c != nil || err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), cluster.IndexesFile) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			if r == nil {
				t.Error("the report is nil")
			}
			if err := (cluster.Indexes{"a": 1}).Save(filepath.Dir(file)); err == nil {
				t.Error("a bad ledger was overwritten")
			}
		})
	}
}

func TestLedgerIsNoSymlink(t *testing.T) {
	file := withLedger(t, string(definition([]string{"a"}, 0, "")), "")
	ledger := filepath.Join(filepath.Dir(file), cluster.IndexesFile)
	other := filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.Rename(ledger, other), os.Symlink(other, ledger)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cluster.Load(file); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("loading beside a symbolic link: %v", err)
	}
	if err := (cluster.Indexes{"a": 1}).Save(filepath.Dir(file)); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("saving to a symbolic link: %v", err)
	}
	if data, err := os.ReadFile(other); err != nil || len(data) > 0 {
		t.Errorf("the file behind the link has %q, %v", data, err)
	}
}

// TestLedgerProblems holds the reports about a definition that does not go
// with its ledger against golden files.
func TestLedgerProblems(t *testing.T) {
	for _, name := range []string{"full", "shrunk-pods", "shrunk-mesh", "vip-taken", "vip-of-removed", "vip-default"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata/ledger", name)
			_, r, err := cluster.Load(filepath.Join(dir, "cluster.yaml"))
			var reportErr *diag.ReportError
			if !errors.As(err, &reportErr) {
				t.Fatalf("got %v, want a report", err)
			}
			golden.Check(t, filepath.Join(dir, "report.txt"), report(t, r))
		})
	}
}

func TestSaveLedger(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, cluster.IndexesFile)
	x := cluster.Indexes{"b": 2, "a": 1, "null": 4, "spare0": 254}
	if err := x.Save(dir); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a: 1\nb: 2\nnull: 4\nspare0: 254\n"; !bytes.HasSuffix(first, []byte("\n"+want)) {
		t.Errorf("the ledger is\n%s", first)
	}
	back, err := cluster.LoadIndexes(dir)
	if diff := cmp.Diff(x, back); diff != "" || err != nil {
		t.Errorf("reading back: %v\n%s", err, diff)
	}
	// Comments and line ends of people stay while nothing new is to be written.
	edited := append([]byte("# ours\r\n"), bytes.ReplaceAll(first, []byte("\n"), []byte("\r\n"))...)
	if err := os.WriteFile(path, edited, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := x.Save(dir); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, edited) {
		t.Errorf("a ledger without news was written again: %v", err)
	}
	for name, other := range map[string]cluster.Indexes{
		"another index": {"a": 3, "b": 2, "null": 4, "spare0": 254},
		"a name less":   {"b": 2, "null": 4, "spare0": 254, "c": 1},
	} {
		if err := other.Save(dir); err == nil || !strings.Contains(err.Error(), `another run gave "a" index 1`) {
			t.Errorf("%s: got %v, want an error about another run", name, err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, edited) {
		t.Errorf("the ledger was changed: %v", err)
	}
	if err := x.Save(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saving into a folder that is not there: %v", err)
	}
}
