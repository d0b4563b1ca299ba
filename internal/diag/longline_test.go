package diag_test

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/diag"
)

// A definition written by a program may be one line with thousands of
// problems. The line is laid out once, not for each of them.
func TestWriteManyProblemsOfOneLine(t *testing.T) {
	const length, problems = 100_000, 1000
	var r diag.Report
	r.AddSource("a.yaml", []byte(strings.Repeat("x", length)))
	for i := range problems {
		r.Errorf(diag.Pos{File: "a.yaml", Line: 1, Col: 1 + i*length/problems}, "", "wrong")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := r.Write(io.Discard); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Once takes some 10 MB, with what a growing slice leaves behind; each time takes gigabytes.
	if got := after.TotalAlloc - before.TotalAlloc; got > 50<<20 {
		t.Errorf("%d problems of a line of %d bytes took %d MiB", problems, length, got>>20)
	}
}
