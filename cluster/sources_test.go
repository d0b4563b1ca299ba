package cluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
)

// TestSources: what a definition may take files from. Nothing leads out of its
// folder, and nothing that is not a regular file is read or waited for.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "clusters", "a")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(inside, "files"), 0o700))
	must(os.MkdirAll(filepath.Join(inside, "manifests"), 0o700))
	for name, content := range map[string]string{
		"secret":                       "outside",
		"clusters/a/files/ok":          "x",
		"clusters/a/files/key":         "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"clusters/a/files/large":       strings.Repeat("x", 1<<20+1),
		"clusters/a/manifests/a.yaml":  "a: b\n",
		"clusters/a/manifests/one.txt": "",
	} {
		must(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	must(os.Symlink("ok", filepath.Join(inside, "files", "link")))
	must(os.Symlink("../../../secret", filepath.Join(inside, "files", "out")))
	must(os.Symlink(filepath.Join(dir, "secret"), filepath.Join(inside, "files", "absolute")))
	must(os.Symlink("../..", filepath.Join(inside, "up")))
	must(syscall.Mkfifo(filepath.Join(inside, "files", "fifo"), 0o600))
	for _, tc := range []struct{ more, want string }{
		{"files: [{path: /etc/x, source: files/ok}]", ""},
		{"files: [{path: /etc/x, source: files/link}]", ""},
		{"files: [{path: /etc/x, source: files/key}]", "warning: a private key in a plain file"},
		{"files: [{path: /etc/x, source: files/large}]", "1048577 bytes, at most 1048576 are allowed"},
		{"files: [{path: /etc/x, source: files/out}]", "a symbolic link leads out of the folder"},
		{"files: [{path: /etc/x, source: files/absolute}]", "a symbolic link leads out of the folder"},
		{"files: [{path: /etc/x, source: up/a/files/ok}]", "a symbolic link leads out of the folder"},
		{"files: [{path: /etc/x, source: files/fifo}]", "not a regular file"},
		{"files: [{path: /etc/x, source: files}]", "not a regular file"},
		{"files: [{path: /etc/x, source: files/none}]", "no such file"},
		{"files: [{path: /etc/x, source: files/ok/below}]", "not a directory"},
		{"files: [{path: /etc/x, source: ./files/ok}]", "not a clean relative path"},
		{"files: [{path: /etc/x, source: files/../files/ok}]", "not a clean relative path"},
		{"files: [{path: /etc/x, source: \"\"}]", "is empty"},
		{"addons: [manifests, manifests/a.yaml]", ""},
		{"addons: [manifests/]", ""},
		{"addons: [manifests, manifests/]", "given twice"},
		{"addons: [manifests/one.txt]", "not a manifest"},
		{"addons: [files]", "a folder without manifests"},
		{"addons: [up]", "a symbolic link leads out of the folder"},
		{"pki: {remote: {url: \"https://x.example.com\", authKeyFile: auth.key, caFile: files/key}}", "has a private key in it"},
		{"pki: {remote: {url: \"http://127.0.0.1:8888\", authKeyFile: /etc/auth.key}}", ""},
		{"pki: {remote: {url: \"http://[::1]:8888\", authKeyFile: ../auth.key}}", ""},
	} {
		t.Run(tc.more, func(t *testing.T) {
			file := filepath.Join(inside, "cluster.yaml")
			must(os.WriteFile(file, definition([]string{"a"}, 0, tc.more+"\n"), 0o600))
			_, r, err := cluster.Load(file)
			got := string(report(t, r))
			if tc.want == "" && (err != nil || got != "") || !strings.Contains(got, tc.want) {
				t.Errorf("%v: got\n%swant %q", err, got, tc.want)
			}
			if strings.Contains(got, "outside") {
				t.Error("a file outside was read")
			}
		})
	}
}

// TestLoadFaults: files that cannot be read are not definitions with problems.
func TestLoadFaults(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, 4<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(large, link); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "no such file",
		dir:                             "a folder",
		link:                            "a symbolic link",
		large:                           "at most 4194304 are allowed",
	} {
		c, r, err := cluster.Load(file)
		if c != nil || r == nil || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}
