package boot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	hashA = "0123456789abcdef0123456789abcdef00112233445566778899aabbccddeeff"
	hashB = "fedcba9876543210fedcba98765432100f1e2d3c4b5a69788796a5b4c3d2e1f0"
)

func TestParseLine(t *testing.T) {
	const hashes = " ingot.root=" + hashA + " ingot.cluster=" + hashB
	l, err := parseLine("ro quiet ingot.boot=install" + hashes + " ingot.boot=rescue ingot.medium=http://192.0.2.1:8/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	if l.mode != Install || l.medium != "http://192.0.2.1:8/a?b=c" {
		t.Errorf("got %+v", l)
	}
	want := []guid{"01234567-89ab-cdef-0123-456789abcdef", "00112233-4455-6677-8899-aabbccddeeff", "fedcba98-7654-3210-fedc-ba9876543210", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"}
	if got := l.guids(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for text, want := range map[string]string{
		"quiet" + hashes:             "it has no ingot.boot=",
		"ingot.boot=" + hashes:       "it has no ingot.boot=",
		"ingot.boot=format" + hashes: "ingot.boot=format is unknown (auto, run, install, rescue)",
		"ingot.boot=run":             "it has no ingot.root=HASH",
		"ingot.boot=run ingot.root=" + hashA[1:] + " ingot.cluster=" + hashB:                      "it has no ingot.root=HASH",
		"ingot.boot=run ingot.root=" + hashA + " ingot.cluster=" + hashB + "00":                   "it has no ingot.cluster=HASH",
		"ingot.boot=run ingot.root=" + hashA + " ingot.cluster=x" + hashB[1:]:                     "it has no ingot.cluster=HASH",
		"ingot.boot=run ingot.root=" + strings.Repeat("0", 4096) + " ingot.cluster=x" + hashB[1:]: "it has no ingot.root=HASH",
	} {
		if _, err := parseLine(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestSay: a long line is not cut off, and a line is one record.
func TestSay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kmsg")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := &kernelLog{path: path}
	log.say(levelNotice, "one\ntwo")
	log.say(levelError, strings.Repeat("x", maxRecord+5))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "<5>ingot: one; two\n<2>ingot: " + strings.Repeat("x", maxRecord) + "\n<2>ingot: xxxxx\n"
	if string(data) != want {
		t.Errorf("got %q, want %q", data, want)
	}
}
