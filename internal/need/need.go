// Package need is how tests ask for what they need from the machine. A test
// that does not get it is skipped with the reason, unless INGOT_TEST_REQUIRE
// says that the machine was meant to have it; then the test fails.
//
// INGOT_TEST_REQUIRE is empty (skip), "tools" (programs must be there; tests
// for root are skipped), or "1" (everything must be there). Only tests import
// this package.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const variable = "INGOT_TEST_REQUIRE"

// packages names the Debian package of each program whose package has another
// name.
var packages = map[string]string{
	"ansible-inventory": "ansible-core",
	"etcd":              "etcd-server",
	"etcdctl":           "etcd-client",
	"ignition-validate": "ignition",
	"ip":                "iproute2",
	"mkfs.ext4":         "e2fsprogs",
	"nsenter":           "util-linux",
	"ping":              "iputils-ping",
	"setpriv":           "util-linux",
	"ssh":               "openssh-client",
	"ssh-keygen":        "openssh-client",
	"tincd":             "tinc",
	"unshare":           "util-linux",
	"umount":            "mount",
}

// Tool returns the path of a program. It looks in PATH and then in the sbin
// folders, which Debian leaves out of the PATH of normal users.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	pkg, ok := packages[name]
	if !ok {
		pkg = name
	}
	missing(t, os.Getenv(variable) != "", "needs the program %q: install it with: apt-get install %s", name, pkg)
	return ""
}

// Root continues only as root, which namespaces, mounts and owners need.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, requireAll(), "needs root")
	}
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
