package packer_test

import (
	"path/filepath"
	"testing"
)

// converted: post-processors write the bytes that a bake in their format does.
func converted(t *testing.T, w *world) {
	dir := t.TempDir()
	steps := ""
	for _, f := range []string{"qcow2", "vmdk", "ova", "raw-gz"} {
		steps += "\n  post-processor \"ingot-" + f + "\" {}"
	}
	r := w.template(t, invocation{dir: dir}, image(`"raw"`, steps), "build").ok(t)
	for _, f := range w.manifest.Files {
		if f.Format != "" && f.Format != "raw" {
			r.ended(t, 0, f.SHA256+" "+f.Name, filepath.Join("out", f.Name))
		}
	}
	w.template(t, invocation{}, head+`
source "null" "other" {
  communicator = "none"
}
build {
  sources = ["source.null.other"]
  post-processor "ingot-ova" {}
}
`, "build").ended(t, 1, "ingot-ova: it takes what ingot-image makes")
}
