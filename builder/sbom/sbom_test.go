package sbom

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/santhosh-tekuri/jsonschema/v6"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
)

var sum = strings.Repeat("0123456789abcdef", 4)

const mit = `MIT License

Copyright (c) 2020 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

const dep5 = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tinc

Files: *
Copyright: 1998 Someone
License: GPL-2+ with OpenSSL exception

License: GPL-2+
 text
`

// input has one of everything.
func input() Input {
	h1 := "h1:" + strings.Repeat("A", 43) + "="
	return Input{
		Cluster: "prod", ID: "1a2b3c", Version: "v0.1.0",
		Own: []Program{{Name: "ingot-node", Version: "v0.1.0", SHA256: sum}},
		Lock: &lock.Lock{
			Date: time.Date(2026, 1, 31, 1, 2, 3, 0, time.UTC),
			Debian: lock.Debian{Release: 13, Packages: []lock.Package{
				{Name: "libstdc++6", Version: "1:14.2~rc1+deb", Architecture: "amd64", SHA256: sum, Size: 3, Archive: "main", File: "pool/main/g/l.deb"},
				{Name: "mawk", Version: "1.3.4", Architecture: "amd64", SHA256: sum, Size: 3, Archive: "main", File: "pool/m.deb"},
				{Name: "tinc", Version: "1.0.36-2", Architecture: "all", SHA256: sum, Size: 3, Archive: "security", File: "pool/t.deb"},
			}},
			Programs: lock.Programs{
				Toolchain: "go1.26.8",
				Modules: []lock.Module{
					{Component: "etcd", Path: "example.com/Shared", Version: "v1.0.0+incompatible", Sum: h1, GoMod: h1},
					{Component: "etcd", Path: "go.etcd.io/etcd/server/v3", Version: "v3.6.16", Sum: h1, GoMod: h1},
					{Component: "kubernetes", Path: "example.com/Shared", Version: "v1.0.0+incompatible", Sum: h1, GoMod: h1},
					{Component: "kubernetes", Path: "k8s.io/kubernetes", Version: "v1.36.3", Sum: h1, GoMod: h1},
				},
				URLs:  []lock.URL{{Component: "coredns", URL: "https://example.org/coredns?a=b#c", SHA256: sum}},
				Files: []lock.ProgramFile{{Component: "node-exporter", Path: "files/node_exporter", SHA256: sum}},
			},
			Images: []lock.Image{{Reference: "registry.example.org:5000/Team/app:1", Digest: "sha256:" + sum}},
		},
		Copyright: func(pkg string) []byte {
			return map[string][]byte{
				"tinc": []byte(dep5),
				"libstdc++6": []byte(strings.Replace(dep5, "GPL-2+ with OpenSSL exception", "GPL-3+ with GCC exception, and public-domain", 1) +
					"\nLicense: public-domain\n The authors have given up all rights.\n"),
			}[pkg]
		},
		Licence: func(path, _ string) []byte {
			if path == "k8s.io/kubernetes" {
				return []byte(mit)
			}
			return nil
		},
	}
}

func write(t *testing.T, in Input) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWrite(t *testing.T) {
	got := write(t, input())
	golden.Check(t, filepath.Join("testdata", "prod.spdx.json"), got)
	if !bytes.Equal(write(t, input()), got) {
		t.Error("written again, it differs")
	}
	valid(t, got)
	other := input()
	other.Lock.Debian.Packages[0].Version = "1:15"
	if namespace(t, write(t, other)) == namespace(t, got) {
		t.Error("another content has the same namespace")
	}
	empty := Input{Cluster: "lab", ID: "x", Version: "dev", Lock: &lock.Lock{Debian: lock.Debian{Release: 12}}}
	valid(t, write(t, empty))
}

func namespace(t *testing.T, data []byte) string {
	t.Helper()
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d.Namespace
}

// valid holds a document against the schema of the SPDX project, against its
// Go library, and against what neither looks at.
func valid(t *testing.T, data []byte) {
	t.Helper()
	schema, err := compiler().Compile(filepath.Join("testdata", "spdx-2.3.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
	parsed, err := spdxjson.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("the SPDX library cannot read it: %v", err)
	}
	if err := spdxlib.ValidateDocument(parsed); err != nil {
		t.Errorf("the SPDX library refuses it: %v", err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(parsed)
	if err != nil || len(described) != 1 {
		t.Errorf("it describes %v, %v, and not one image", described, err)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	coherent(t, &d)
}

var (
	idPattern   = regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	purlPattern = regexp.MustCompile(`^pkg:(deb|golang|oci)/[A-Za-z0-9._~/%-]+@[A-Za-z0-9._~:%-]+(\?[a-z_]+=[A-Za-z0-9._~:/%-]+(&[a-z_]+=[A-Za-z0-9._~:/%-]+)*)?$`)
)

// coherent checks identifiers, relationships, licences and package URLs.
func coherent(t *testing.T, d *document) {
	t.Helper()
	ids := map[string]bool{documentID: true}
	for _, p := range d.Packages {
		if ids[p.ID] || !idPattern.MatchString(p.ID) {
			t.Errorf("the identifier %q is there twice or is none", p.ID)
		}
		ids[p.ID] = true
		for _, e := range []string{p.LicenseDeclared, p.LicenseConcluded} {
			if ok, _ := spdxexp.ValidateLicenses([]string{e}); !ok && e != noAssertion {
				t.Errorf("%s: %q is no licence expression", p.ID, e)
			}
		}
		for _, x := range p.External {
			if !purlPattern.MatchString(x.Locator) {
				t.Errorf("%s: %q is no package URL", p.ID, x.Locator)
			}
		}
	}
	used, err := json.Marshal(d.Packages)
	if err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{}
	for _, x := range d.Extracted {
		if refs[x.ID] || x.Text == "" || !bytes.Contains(used, []byte(x.ID)) {
			t.Errorf("the licence %s is there twice, has no text or is not used", x.ID)
		}
		refs[x.ID] = true
	}
	for _, ref := range regexp.MustCompile(`LicenseRef-[A-Za-z0-9.-]+`).FindAllString(string(used), -1) {
		if !refs[ref] {
			t.Errorf("the licence %s has no text", ref)
		}
	}
	reached := map[string]bool{}
	for _, r := range d.Relationships {
		if !ids[r.From] || !ids[r.To] {
			t.Errorf("%v: one side is not there", r)
		}
		reached[r.To] = true
	}
	for _, p := range d.Packages {
		if !reached[p.ID] {
			t.Errorf("nothing leads to %s", p.ID)
		}
	}
}

// TestValidatorsAreStrict makes sure that a bad document is seen.
func TestValidatorsAreStrict(t *testing.T) {
	schema, err := compiler().Compile(filepath.Join("testdata", "spdx-2.3.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	good := string(write(t, input()))
	for _, change := range [][2]string{
		{`"algorithm": "SHA256"`, `"algorithm": "SHA-256"`}, {`"relationshipType": "CONTAINS"`, `"relationshipType": "HAS"`},
		{`"versionInfo"`, `"version"`}, {`"downloadLocation"`, `"download"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if bad == good || schema.Validate(value) == nil {
			t.Errorf("%s is taken", change[1])
		}
	}
}

// TestCopyrights reads a root with links between packages' folders.
func TestCopyrights(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name, link string, kind byte, text string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Linkname: link, Typeflag: kind, Size: int64(len(text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	put("./usr/share/doc/a/", "", tar.TypeDir, "")
	put("./usr/share/doc/a/copyright", "", tar.TypeReg, "of a")
	put("./usr/share/doc/a/README", "", tar.TypeReg, "no")
	put("./usr/share/doc/b", "a", tar.TypeSymlink, "")
	put("./usr/share/doc/c", "b", tar.TypeSymlink, "")
	put("./usr/share/doc/d/copyright", "./usr/share/doc/a/copyright", tar.TypeLink, "")
	put("./usr/share/doc/e/copyright", "../a/copyright", tar.TypeSymlink, "")
	put("./usr/share/doc/loop", "loop", tar.TypeSymlink, "")
	put("./etc/copyright", "", tar.TypeReg, "no")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	of, err := Copyrights(&b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e", "loop", "none"} {
		got[name] = string(of(name))
	}
	want := map[string]string{"a": "of a", "b": "of a", "c": "of a", "d": "of a", "e": "of a", "loop": "", "none": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Copyrights(strings.NewReader(strings.Repeat("no tar", 200))); err == nil {
		t.Error("what is no archive is taken")
	}
}

func TestModuleLicences(t *testing.T) {
	cache := t.TempDir()
	dir := filepath.Join(cache, "github.com", "!burnt!sushi", "toml@v1.0.0")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "COPYING"), []byte(mit), 0o644); err != nil {
		t.Fatal(err)
	}
	of := ModuleLicences(cache)
	if got := newLicences().text(of("github.com/BurntSushi/toml", "v1.0.0")); got != "MIT" {
		t.Errorf("got %s", got)
	}
	if of("github.com/BurntSushi/toml", "v1.0.1") != nil {
		t.Error("a module that is not there has a licence")
	}
}

// compiler is one that looks at times and addresses too.
func compiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c
}

// A document that was made for another image is what would be written for this one.
func TestRename(t *testing.T) {
	other := input()
	other.Cluster, other.ID = "cluster", "image"
	var got bytes.Buffer
	if err := Rename(&got, write(t, other), input().Cluster, input().ID); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), write(t, input())) {
		t.Error("renamed, it differs from what would be written")
	}
	for _, bad := range []string{"", "{", "{}", `{"unknown":1}`} {
		if err := Rename(io.Discard, []byte(bad), "a", "b"); err == nil {
			t.Errorf("%q is taken for a document", bad)
		}
	}
}
