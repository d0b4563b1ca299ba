package diag_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-k8s/ingot/internal/diag"
)

func TestPosString(t *testing.T) {
	for _, tc := range []struct {
		pos  diag.Pos
		want string
	}{
		{diag.Pos{}, ""},
		{diag.Pos{File: "a.yaml"}, "a.yaml"},
		{diag.Pos{File: "a.yaml", Line: 3}, "a.yaml:3"},
		{diag.Pos{File: "a.yaml", Line: 3, Col: 9}, "a.yaml:3:9"},
		{diag.Pos{File: "a.yaml", Col: 9}, "a.yaml"},
	} {
		if got := tc.pos.String(); got != tc.want {
			t.Errorf("%#v: got %q, want %q", tc.pos, got, tc.want)
		}
	}
}

func TestProblemString(t *testing.T) {
	at := diag.Pos{File: "a.yaml", Line: 14, Col: 9}
	for _, tc := range []struct {
		name    string
		problem diag.Problem
		want    string
	}{
		{"error", diag.Problem{Pos: at, Path: "nodes[2].address", Message: "not an IP address"},
			"a.yaml:14:9: nodes[2].address: not an IP address"},
		{"warning", diag.Problem{Pos: at, Path: "nodes", Message: "2 controllers", Severity: diag.Warning},
			"a.yaml:14:9: nodes: warning: 2 controllers"},
		{"no path", diag.Problem{Pos: at, Message: "not YAML"}, "a.yaml:14:9: not YAML"},
		{"no position", diag.Problem{Path: "name", Message: "missing"}, "name: missing"},
		{"message only", diag.Problem{Message: "empty"}, "empty"},
		{"one line, nothing for the terminal", diag.Problem{Path: "name", Message: "\x1b[2Jred\nherring \u202e\xff"},
			`name: \x1b[2Jred\nherring \u202e\ufffd`},
		{"letters of any script", diag.Problem{Message: "größe 東京"}, "größe 東京"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.problem.String(); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestReportErr(t *testing.T) {
	var r diag.Report
	if r.HasErrors() || r.Err() != nil {
		t.Fatalf("empty report: HasErrors %v, Err %v", r.HasErrors(), r.Err())
	}
	r.Warnf(diag.Pos{File: "a.yaml", Line: 1, Col: 1}, "nodes", "%d controllers", 2)
	if r.HasErrors() || r.Err() != nil {
		t.Fatalf("warning alone: HasErrors %v, Err %v", r.HasErrors(), r.Err())
	}
	r.Errorf(diag.Pos{File: "a.yaml", Line: 2, Col: 3}, "name", "%q is not a DNS label", "A_b")
	if !r.HasErrors() {
		t.Fatal("HasErrors: false, want true after Errorf")
	}

	err := fmt.Errorf("loading: %w", r.Err())
	var reportErr *diag.ReportError
	if !errors.As(err, &reportErr) {
		t.Fatalf("errors.As does not find *diag.ReportError in %v", err)
	}
	if reportErr.Report != &r {
		t.Error("the error does not hold the report itself")
	}
	want := "loading: a.yaml:1:1: nodes: warning: 2 controllers\n" + `a.yaml:2:3: name: "A_b" is not a DNS label`
	if got := err.Error(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSort(t *testing.T) {
	var r diag.Report
	for _, p := range []struct {
		file      string
		line, col int
		message   string
	}{
		{"b.yaml", 1, 1, "last"},
		{"a.yaml", 10, 1, "fifth"},
		{"a.yaml", 2, 7, "third"},
		{"a.yaml", 2, 7, "fourth, added after third"},
		{"a.yaml", 2, 3, "second"},
		{"a.yaml", 0, 0, "first"},
	} {
		r.Errorf(diag.Pos{File: p.file, Line: p.line, Col: p.col}, "", "%s", p.message)
	}
	r.Sort()
	var got []string
	for _, p := range r.Problems {
		got = append(got, p.Message)
	}
	want := []string{"first", "second", "third", "fourth, added after third", "fifth", "last"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("pipe is closed") }

func TestWriteError(t *testing.T) {
	var r diag.Report
	r.Errorf(diag.Pos{}, "name", "missing")
	err := r.Write(brokenWriter{})
	if err == nil || !strings.Contains(err.Error(), "writing report: pipe is closed") {
		t.Errorf("got %v, want an error that names what was written", err)
	}
}
