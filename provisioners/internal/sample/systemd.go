package sample

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// Verify has systemd read the layer's units, in a folder with stubs of the
// programs and units of other layers. Every complaint is an error.
func Verify(t *testing.T, l layer.Layer) {
	t.Helper()
	tool := need.Tool(t, "systemd-analyze")
	root, units := tree(t, l)
	for _, name := range units {
		out, err := command(tool, "verify", "--man=no", "--recursive-errors=no", "--root="+root, name)
		if err != nil || strings.TrimSpace(out) != "" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// overall is the last line of systemd-analyze security.
var overall = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// Exposure checks that systemd's measure of a unit's exposure, 0 (nothing) to
// 10, is at most so much.
func Exposure(t *testing.T, l layer.Layer, unit string, most float64) {
	t.Helper()
	tool := need.Tool(t, "systemd-analyze")
	root, _ := tree(t, l)
	out, _ := command(tool, "security", "--offline=true", "--no-pager", "--root="+root, unit)
	m := overall.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("%s: no measure in:\n%s", unit, out)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > most {
		t.Errorf("%s has the exposure %s, more than %v:\n%s", unit, m[1], most, out)
	}
}

// programs are what units start, by the prefixes that systemd knows.
var programs = regexp.MustCompile(`(?m)^Exec[A-Za-z]+=[-@:+!]*(/[^ \n]+)`)

// tree lays the layer down, with a stub for each program that it runs. It
// gives the units that have content.
func tree(t *testing.T, l layer.Layer) (root string, units []string) {
	t.Helper()
	root = t.TempDir()
	put := func(path string, data []byte, mode os.FileMode) {
		at := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(at); err == nil {
			return
		}
		if err := os.WriteFile(at, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range []string{"sysinit", "basic", "shutdown", "network", "network-pre", "multi-user", "ingot-controller", "ingot-worker", "ingot-edge"} {
		put("/usr/lib/systemd/system/"+target+".target", []byte("[Unit]\nDescription="+target+"\nDefaultDependencies=no\n"), 0o644)
	}
	entries, err := l.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Mode.IsRegular() {
			put(e.Path, e.Content, e.Mode.Perm())
		}
	}
	for _, u := range l.Units {
		if u.Content == "" {
			continue
		}
		units = append(units, u.Name)
		for _, m := range programs.FindAllStringSubmatch(u.Content, -1) {
			put(m[1], []byte("#!/bin/sh\n"), 0o755)
		}
	}
	if len(units) == 0 {
		t.Fatalf("layer %s has no units", l.Name)
	}
	return root, units
}

// command runs a program and gives all that it says.
func command(program string, args ...string) (string, error) {
	out, err := exec.Command(program, args...).CombinedOutput()
	return string(out), err
}
