package packer_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// documents: Packer takes every template that the documentation shows.
func documents(t *testing.T, w *world) {
	pages, err := filepath.Glob("../../docs/packer/*/*.mdx")
	check(t, err)
	root, err := filepath.Abs("../..")
	check(t, err)
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
