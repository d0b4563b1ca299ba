// Package golden holds what tests get against files that were accepted before.
// A change that is meant is accepted with -update. Only tests import it.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "accept what the tests get: write the golden files anew")

// Check fails the test where got is not what the file at path has. With
// -update it makes it so, folders included.
func Check(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (the flag -update of this package's tests writes it)", err)
	}
	compare(t, path, string(want), string(got))
}

// Section is [Check] of the part of a document that stands between the lines
// begin and end.
func Section(t testing.TB, path, begin, end, got string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, hasBegin := strings.Cut(string(data), begin)
	want, tail, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		t.Fatalf("%s has no place between %q and %q", path, begin, end)
	}
	if *update {
		write(t, path, []byte(head+begin+got+end+tail))
		return
	}
	compare(t, path, want, got)
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func compare(t testing.TB, path, want, got string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got); the flag -update of this package's tests accepts it:\n%s", path, diff)
	}
}
