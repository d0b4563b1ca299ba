// Package need is how tests ask for what they need from the machine. A test
// that does not get it is skipped with the reason, unless INGOT_TEST_REQUIRE
// says that the machine was meant to have it; then the test fails.
//
// INGOT_TEST_REQUIRE is empty (skip), "tools" (programs must be there; tests
// for root are skipped), or "1" (everything must be there). Only tests import
// this package.
package need

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const variable = "INGOT_TEST_REQUIRE"

// list says which Debian package has which program. scripts/setup.sh reads it
// too.
//
//go:embed packages.txt
var list string

// packageOf returns the Debian package of a program.
func packageOf(program string) (string, bool) {
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == program {
			return f[1], true
		}
	}
	return "", false
}

// Tool returns the path of a program. It looks in PATH and then in the sbin
// folders, which Debian leaves out of the PATH of normal users. The program
// must be listed in packages.txt.
func Tool(t testing.TB, name string) string {
	t.Helper()
	pkg, ok := packageOf(name)
	if !ok {
		t.Fatalf("the program %q is not listed in internal/need/packages.txt: add it and its package", name)
	}
	return tool(t, name, pkg)
}

func tool(t testing.TB, name, pkg string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	missing(t, os.Getenv(variable) != "", "needs the program %q: install it with: apt-get install %s", name, pkg)
	return ""
}

// File continues only where a file is, which must be listed as programs are:
// it is what a package has that has no program.
func File(t testing.TB, path string) {
	t.Helper()
	pkg, ok := packageOf(path)
	if !ok {
		t.Fatalf("the file %q is not listed in internal/need/packages.txt: add it and its package", path)
	}
	if _, err := os.Stat(path); err != nil {
		missing(t, os.Getenv(variable) != "", "needs the file %q: install it with: apt-get install %s", path, pkg)
	}
}

// Root continues only as root, which namespaces, mounts and owners need.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, requireAll(), "needs root")
	}
}

// Missing ends a test for which something else is missing that root has on a
// whole machine, such as namespaces in a container.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	missing(t, requireAll(), format, args...)
}

func requireAll() bool {
	value := os.Getenv(variable)
	return value != "" && value != "tools"
}

// missing ends the test: as failed if the machine was meant to have it.
func missing(t testing.TB, required bool, format string, args ...any) {
	t.Helper()
	if required {
		t.Fatalf(format+" ("+variable+" forbids skipping)", args...)
	}
	t.Skipf(format, args...)
}
