package bake_test

import (
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
)

// unchanged: the second bake of the same inputs writes nothing.
func unchanged(t *testing.T, w *world) {
	path := w.path(t, builder.Raw)
	before, err := os.Stat(path)
	check(t, err)
	latest := filepath.Join(images(w.out, "lab"), "latest")
	check(t, os.Remove(latest))
	again := w.ingot(t, run{}, "images", "lab", "--only", allFormats, "--offline").ok(t)
	for line := range strings.Lines(again.stdout) {
		if !strings.Contains(line, "  unchanged, ") {
			t.Errorf("it says: %s", line)
		}
	}
	after, err := os.Stat(path)
	check(t, err)
	if !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Error("the image was written anew")
	}
	if target, err := os.Readlink(latest); err != nil || target != filepath.Base(path) {
		t.Errorf("the link that was removed leads to %q, %v", target, err)
	}
	t.Logf("unchanged after %.1f s, at most %d MB in one process", again.took.Seconds(), again.peak>>20)
	if again.took > w.first.took {
		t.Errorf("it took longer than the first bake: %.1f s", again.took.Seconds())
	}
	const most = 1 << 30
	if again.peak > most {
		t.Errorf("it took %d bytes of memory, at most %d", again.peak, most)
	}
}

// oneLine: a change of one line of the definition leaves the root as it was.
func oneLine(t *testing.T, w *world) {
	out := t.TempDir()
	clusters := w.definition(t, "lab", func(text string) string {
		return text + "files: [{path: /etc/motd, content: \"one more line\\n\"}]\n"
	})
	r := w.ingot(t, run{clusters: clusters, out: out}, "images", "lab", "--only", "raw", "--json", "--offline").ok(t)
	m := r.manifest(t)
	if m.ID == w.manifest.ID || m.Inputs.Definition == w.manifest.Inputs.Definition {
		t.Error("another definition has the same image")
	}
	for i, tree := range m.Trees {
		if was := w.manifest.Trees[i]; (tree.RootHash == was.RootHash) != (tree.Label == "root") {
			t.Errorf("%s was %s, and is %s", tree.Label, was.RootHash, tree.RootHash)
		}
	}
	t.Logf("a changed line took %.1f s, at most %d MB in one process", r.took.Seconds(), r.peak>>20)

	// The folder of the first image keeps it, and has the new one beside it.
	before := names(t, images(out, "lab"))
	w.ingot(t, run{out: out}, "images", "lab", "--only", "raw", "--offline").ok(t)
	if after := names(t, images(out, "lab")); len(after) != len(before)+1 {
		t.Errorf("there was %q, and is %q", before, after)
	}
	if target, err := os.Readlink(filepath.Join(images(out, "lab"), "latest")); err != nil || target != filepath.Base(w.path(t, builder.Raw)) {
		t.Errorf("latest leads to %q, %v", target, err)
	}
}

// leaks: what must not be in an image keeps it from being made.
func leaks(t *testing.T, w *world) {
	keys := t.TempDir()
	w.ingot(t, run{}, "pki", "issue", "lab").ok(t)
	w.ingot(t, run{}, "pki", "export", "lab", keys, "lab0").ok(t)
	data, err := os.ReadFile(filepath.Join(keys, "lab0", "apiserver.key"))
	check(t, err)
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("the exported key is no PEM")
	}
	jwt := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"system:serviceaccount:kube-system:default","iss":"kubernetes"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("signature", 4)))
	for name, content := range map[string]string{
		"a private key":                   string(data),
		"a key of the cluster, in Base64": "value: " + base64.StdEncoding.EncodeToString(block.Bytes) + "\n",
		"a token":                         "token: " + jwt + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			clusters := w.definition(t, "lab", func(text string) string {
				return text + "files: [{path: /etc/app/settings, source: settings}]\n"
			})
			check(t, os.WriteFile(filepath.Join(clusters, "lab", "settings"), []byte(content), 0o600))
			r := w.ingot(t, run{clusters: clusters, out: out}, "images", "lab", "--offline")
			if r.status == 0 {
				t.Fatalf("it was baked:\n%s", r.stderr)
			}
			if !strings.Contains(r.stderr, "/etc/app/settings") {
				t.Errorf("the file is not named:\n%s", r.stderr)
			}
			if strings.Contains(r.stdout+r.stderr, strings.TrimSpace(content)) {
				t.Error("the secret is shown")
			}
			if left := names(t, images(out, "lab")); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
			t.Logf("%s", lastLines(r.stderr, 3))
			if r.took > time.Minute {
				t.Logf("after %s", r.took)
			}
		})
	}
}

// lastLines are for logs.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
