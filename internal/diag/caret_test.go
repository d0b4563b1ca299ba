package diag_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
)

func TestCaret(t *testing.T) {
	const file = "cluster.yaml"
	wide := "sshKeys: [" + strings.Repeat("a", 90) + " HERE " + strings.Repeat("b", 200) + "]"
	for _, tc := range []struct {
		name      string
		source    string
		line, col int
	}{
		{"plain", "name: prod\nnodes:\n  - {name: a, address: 10.42.0.300}\n", 3, 23},
		{"first-column", "nmae: prod\n", 1, 1},
		{"after-the-end", "name:\n", 1, 6},
		{"far-after-the-end", "name:\n", 1, 40},
		{"tabs", "a:\n\tb:\tvalue\n", 2, 5},
		{"on-a-tab", "ab\tcd\n", 1, 3},
		{"after-wide-letters", "größe: [東京, wrong]\n", 1, 13},
		{"combining-mark", "cafe\u0301: x\n", 1, 5},
		{"after-combining-mark", "cafe\u0301: x\n", 1, 8},
		{"escape-codes", "name: \x1b[31mred\x07 x\n", 1, 16},
		{"not-utf8", "name: \xff\xfe x\n", 1, 10},
		{"crlf", "name: prod\r\nbad: x\r\n", 2, 1},
		{"no-newline-at-end", "name: prod\nbad: x", 2, 6},
		{"trailing-space", "bad: x   \n", 1, 6},
		{"line-without-column", "name: prod\nbad: x\n", 2, 0},
		{"no-line", "name: prod\n", 0, 0},
		{"line-beyond-the-end", "name: prod\n", 9, 1},
		{"blank-line", "name: prod\n   \nbad: x\n", 2, 2},
		{"wide-at-start", wide, 1, 1},
		{"wide-in-the-middle", wide, 1, strings.Index(wide, "HERE") + 1},
		{"wide-at-the-end", wide, 1, len(wide)},
		{"wide-after-the-end", wide, 1, len(wide) + 1},
		{"exactly-as-wide-as-shown", strings.Repeat("x", 99) + "y", 1, 100},
		{"wide-letters-cut-in-half", strings.Repeat("東", 80) + "京x" + strings.Repeat("都", 80), 1, 82},
		{"wide-line-without-column", wide, 1, 0},
		{"tabs-in-front-of-a-wide-line", "\t\t" + wide, 1, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r diag.Report
			r.AddSource(file, []byte(tc.source))
			r.Errorf(diag.Pos{File: file, Line: tc.line, Col: tc.col}, "field", "something is wrong")
			golden.Check(t, filepath.Join("testdata", "caret", tc.name+".golden"), write(t, &r))
		})
	}
}

func TestWriteReport(t *testing.T) {
	var r diag.Report
	r.AddSource("a.yaml", []byte("name: A_b\nnodes: []\n"))
	r.Errorf(diag.Pos{File: "b.yaml", Line: 1, Col: 1}, "name", "the source of this file is not known")
	r.Warnf(diag.Pos{File: "a.yaml", Line: 2, Col: 8}, "nodes", "no nodes")
	r.Errorf(diag.Pos{File: "a.yaml", Line: 1, Col: 7}, "name", "%q is not a DNS label", "A_b")
	r.Errorf(diag.Pos{File: "a.yaml"}, "mesh", "missing")
	r.Sort()
	golden.Check(t, filepath.Join("testdata", "report.golden"), write(t, &r))
}

func write(t *testing.T, r *diag.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzCaret feeds foreign bytes and positions: nothing but printable text
// comes out, and the caret stays within the width shown.
func FuzzCaret(f *testing.F) {
	f.Add([]byte("name: prod\n"), 1, 3)
	f.Add([]byte("\t\x1b東e\u0301\xff"), 1, 6)
	f.Add([]byte(strings.Repeat("x", 300)), 1, 250)
	f.Fuzz(func(t *testing.T, source []byte, line, col int) {
		var r diag.Report
		r.AddSource("f", source)
		r.Errorf(diag.Pos{File: "f", Line: line, Col: col}, "", "m")
		out := string(write(t, &r))
		shown := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(shown) > 3 {
			t.Fatalf("%d lines for one problem:\n%s", len(shown), out)
		}
		if strings.ContainsAny(out, "\x1b\t\r\x00") {
			t.Fatalf("control characters in %q", out)
		}
		// Indent, two ellipses, the columns shown, and one after the end.
		const most = 4 + 3 + 100 + 3 + 1
		for _, l := range shown[1:] {
			columns := 0
			for _, c := range l {
				if !unicode.Is(unicode.Mn, c) {
					columns++
				}
			}
			if columns > most {
				t.Fatalf("line of %d columns: %q", columns, l)
			}
		}
	})
}
