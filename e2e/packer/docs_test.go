package packer_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents: Packer takes every template that the documentation shows.
func documents(t *testing.T, w *world) {
	pages, err := filepath.Glob("../../docs/packer/*/*.mdx")
	check(t, err)
	root, err := filepath.Abs("../..")
	check(t, err)
	foreign(t, w)
	shown := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		check(t, err)
		for _, m := range regexp.MustCompile("(?ms)^```hcl\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
			shown++
			w.template(t, invocation{dir: root}, m[1], "validate").ok(t)
		}
	}
	if shown < len(pages) || shown == 0 {
		t.Errorf("%d templates on %d pages", shown, len(pages))
	}
}

// foreign: templates with builders that are not installed are well formed, and
// what our provisioners do in them is right.
func foreign(t *testing.T, w *world) {
	t.Helper()
	text, err := os.ReadFile("../../docs/packer/snapshot.md")
	check(t, err)
	root, err := filepath.Abs("../..")
	check(t, err)
	builds := 0
	for _, m := range regexp.MustCompile("(?ms)^```hcl\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(m[1], "build {") {
			builds++
			source := "source \"null\" \"debian\" {\n  communicator = \"none\"\n}\n"
			w.template(t, invocation{dir: root}, head+source+strings.ReplaceAll(m[1], "source.qemu.", "source.null."), "validate").ok(t)
			continue
		}
		w.template(t, invocation{dir: root}, m[1], "validate", "-syntax-only").ok(t)
		w.template(t, invocation{dir: root}, m[1], "fmt", "-check", "-diff").ok(t)
	}
	if builds != 1 {
		t.Errorf("%d builds without their builder, want 1", builds)
	}
}
