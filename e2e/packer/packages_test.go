package packer_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/sbom"
	"github.com/ingot-k8s/ingot/internal/need"
)

// packages: what a step installs is in no lock, and the image says so.
func packages(t *testing.T, w *world) {
	file := debianPackage(t)
	dir := t.TempDir()
	const told = "not locked: package ingot-tester 1.2-3"
	w.template(t, invocation{dir: dir}, image(`"raw"`, `
  provisioner "file" {
    source      = "`+file+`"
    destination = "/tmp/tester.deb"
  }
  provisioner "shell" {
    inline = ["dpkg --install /tmp/tester.deb"]
  }`), "build").ended(t, 0, "not locked: a layer over the base, ", told)
	m, err := builder.ReadManifest(filepath.Join(dir, "out", builder.ManifestFile))
	check(t, err)
	if m.Unlocked == nil || m.Unlocked.Written == 0 {
		t.Fatalf("the manifest has the layer as %+v", m.Unlocked)
	}
	want := []sbom.Package{{Name: "ingot-tester", Version: "1.2-3", Architecture: "all"}}
	if diff := cmp.Diff(want, m.Unlocked.More); diff != "" || len(m.Unlocked.Gone) > 0 {
		t.Errorf("gone: %v (-want +got):\n%s", m.Unlocked.Gone, diff)
	}
	if w.manifest.Unlocked != nil {
		t.Errorf("that of ingot images has such a layer: %+v", w.manifest.Unlocked)
	}
	listed(t, filepath.Join(dir, "out", "sbom.spdx.json"), filepath.Join(w.dir, "out", "lab", "images", "sbom.spdx.json"))
	w.command(t, invocation{dir: w.dir}, w.ingot, "verify", filepath.Join(dir, "out")).ended(t, 3, told)
}

// listed expects a bill of materials that has the package beyond another one.
func listed(t *testing.T, changed, plain string) {
	t.Helper()
	type pkg struct{ Name, VersionInfo, Comment, LicenseDeclared string }
	read := func(file string) []pkg {
		var doc struct{ Packages []pkg }
		data, err := os.ReadFile(file)
		check(t, err)
		check(t, json.Unmarshal(data, &doc))
		return doc.Packages[1:] // the first is the image itself
	}
	is, was := read(changed), map[pkg]bool{}
	for _, p := range read(plain) {
		was[p] = true
	}
	var more []pkg
	for _, p := range is {
		if !was[p] {
			more = append(more, p)
		}
	}
	if len(is) != len(was)+1 || len(more) != 1 || more[0].Name != "ingot-tester" || more[0].VersionInfo != "1.2-3" ||
		more[0].LicenseDeclared != "Apache-2.0" || !strings.HasPrefix(more[0].Comment, "Not locked") {
		t.Errorf("%d packages are listed, %d without the step; beyond those: %+v", len(is), len(was), more)
	}
}

// debianPackage makes a package of Debian's form.
func debianPackage(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tester")
	for name, text := range map[string]string{
		"DEBIAN/control":     "Package: ingot-tester\nVersion: 1.2-3\nArchitecture: all\nMaintainer: Tester <tester@example.com>\nDescription: is there\n",
		"usr/lib/tester.txt": "here\n",
		"usr/share/doc/ingot-tester/copyright": "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n" +
			"Files: *\nCopyright: 2026 Tester\nLicense: Apache-2.0\n",
	} {
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	if out, err := exec.CommandContext(t.Context(), need.Tool(t, "dpkg-deb"), "--root-owner-group", "--build", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir + ".deb"
}
