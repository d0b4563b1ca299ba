package cluster_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// FuzzParse feeds foreign bytes: no panic, no success with errors, every
// problem at a place that the file has, and a cluster that is whole.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml", "../clusters/*/cluster.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 8<<10 { // long ones only make the fuzzer slow
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r diag.Report
		// The folder is not there: no file of the machine is read.
		const file = "/nonexistent/cluster.yaml"
		c, err := cluster.Parse(file, data, nil, &r)
		if (c == nil) != (err != nil) || r.HasErrors() != (err != nil) {
			t.Fatalf("cluster %v, error %v, report with errors %v", c != nil, err, r.HasErrors())
		}
		lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
		for _, p := range r.Problems {
			if p.Pos.Line < 1 || p.Pos.Line > len(lines) {
				t.Fatalf("%s: the file has %d lines", p, len(lines))
			}
			// One more column stands for the end of the line.
			if width := utf8.RuneCountInString(lines[p.Pos.Line-1]) + 1; p.Pos.Col < 1 || p.Pos.Col > width {
				t.Fatalf("%s: the line has %d columns", p, width)
			}
			if p.Message == "" {
				t.Fatalf("%s: no message", p)
			}
		}
		if err := r.Write(io.Discard); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		checkAddresses(t, c)
		again, err := cluster.Parse(file, data, c.Indexes, &diag.Report{})
		if err != nil {
			t.Fatalf("with its own ledger: %v", err)
		}
		if indexes(again) != indexes(c) || !bytes.Equal(again.Indexes.Encode(), c.Indexes.Encode()) {
			t.Fatalf("derived again: %s, at first %s", indexes(again), indexes(c))
		}
	})
}
