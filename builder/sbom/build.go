package sbom

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
)

// builder fills a document.
type builder struct {
	Input
	doc      *document
	ids      map[string]bool
	licences *licences
	root     string // the image's identifier
}

// add gives a package an identifier of its own and puts it into the document.
// What is not known is said to be so.
func (b *builder) add(p pkg) string {
	id := "SPDXRef-" + identifier(p.ID)
	for n := 2; b.ids[id]; n++ {
		id = fmt.Sprintf("SPDXRef-%s-%d", identifier(p.ID), n)
	}
	b.ids[id] = true
	p.ID = id
	for _, s := range []*string{&p.DownloadLocation, &p.LicenseConcluded, &p.LicenseDeclared, &p.Copyright} {
		if *s == "" {
			*s = noAssertion
		}
	}
	b.doc.Packages = append(b.doc.Packages, p)
	return id
}

func (b *builder) relate(from, kind, to string) {
	b.doc.Relationships = append(b.doc.Relationships, relationship{From: from, Type: kind, To: to})
}

// identifier writes a name with the characters that identifiers may have
// (SPDX 2.3, 7.2): the others are escaped by their code.
func identifier(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' {
			out.WriteByte(c)
			continue
		}
		fmt.Fprintf(&out, "-%02x", c)
	}
	return out.String()
}

func (b *builder) image() {
	b.root = b.add(pkg{
		ID: "image", Name: b.Cluster, Version: b.ID, Purpose: "OPERATING_SYSTEM",
		Comment: fmt.Sprintf("Machine image of the Kubernetes cluster %q, with Debian %d as its base.", b.Cluster, b.Lock.Debian.Release),
	})
	b.relate(documentID, "DESCRIBES", b.root)
	for _, own := range b.Own {
		id := b.add(pkg{
			ID: "program-" + own.Name, Name: own.Name, Version: own.Version, Checksums: sha256Of(own.SHA256),
			LicenseDeclared: "Apache-2.0", Purpose: "APPLICATION", Comment: "A program of Ingot.",
		})
		b.relate(b.root, "CONTAINS", id)
	}
}

func (b *builder) debian() {
	var more, gone []Package
	if b.Changed {
		more, gone = Beyond(b.Lock.Debian.Packages, b.Installed)
	}
	for _, p := range b.Lock.Debian.Packages {
		if slices.Contains(gone, Package{Name: p.Name, Version: p.Version, Architecture: p.Architecture}) {
			continue
		}
		out := pkg{
			ID: "deb-" + p.Name, Name: p.Name, Version: p.Version, FileName: path.Base(p.File), Supplier: "Organization: Debian",
			Checksums: sha256Of(p.SHA256),
			External:  b.debianPurl(p.Name, p.Version, p.Architecture),
		}
		b.addDebian(out)
	}
	for _, p := range more {
		b.addDebian(pkg{
			ID: "deb-" + p.Name, Name: p.Name, Version: p.Version, External: b.debianPurl(p.Name, p.Version, p.Architecture),
			Comment: "Not locked: put there by a provisioner's step. Who made it is not known.",
		})
	}
}

func (b *builder) addDebian(p pkg) {
	if b.Copyright != nil {
		p.LicenseDeclared, p.LicenseComments = b.licences.debian(b.Copyright(p.Name))
	}
	b.relate(b.root, "CONTAINS", b.add(p))
}

// debianPurl is what scanners know a Debian package by.
func (b *builder) debianPurl(name, version, architecture string) []externalRef {
	return purlRef(fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s&distro=debian-%d", escape(name), escape(version), escape(architecture), b.Lock.Debian.Release))
}

// programs adds the components that are no Debian packages, and what they are
// compiled from.
func (b *builder) programs() {
	modules := map[string]string{} // path@version -> identifier
	component := ""
	program := ""
	for _, m := range b.Lock.Modules { // ordered by component
		if m.Component != component {
			component = m.Component
			program = b.program(component)
			if b.Lock.Toolchain != "" {
				b.relate(program, "GENERATED_FROM", b.standardLibrary())
			}
		}
		key := m.Path + "@" + m.Version
		if modules[key] == "" {
			modules[key] = b.module(m)
		}
		b.relate(program, "GENERATED_FROM", modules[key])
	}
	for _, u := range b.Lock.URLs {
		b.relate(b.root, "CONTAINS", b.add(pkg{
			ID: "program-" + u.Component, Name: u.Component, DownloadLocation: u.URL, Checksums: sha256Of(u.SHA256), Purpose: "APPLICATION",
		}))
	}
	for _, f := range b.Lock.Files {
		b.relate(b.root, "CONTAINS", b.add(pkg{
			ID: "program-" + f.Component, Name: f.Component, FileName: path.Base(f.Path), Checksums: sha256Of(f.SHA256), Purpose: "APPLICATION",
		}))
	}
}

// program adds a component that is compiled.
func (b *builder) program(component string) string {
	id := b.add(pkg{
		ID: "program-" + component, Name: component, Version: b.Lock.ModuleVersion(component), Purpose: "APPLICATION",
		Comment: "Compiled by " + b.Lock.Toolchain + " from the modules that it is generated from.",
	})
	b.relate(b.root, "CONTAINS", id)
	return id
}

// standardLibrary adds Go's own packages, once. Scanners know them as stdlib.
func (b *builder) standardLibrary() string {
	const id = "go-stdlib"
	if !b.ids["SPDXRef-"+id] {
		version := strings.TrimPrefix(b.Lock.Toolchain, "go")
		b.add(pkg{
			ID: id, Name: "stdlib", Version: version, LicenseDeclared: "BSD-3-Clause", Purpose: "LIBRARY",
			External: purlRef("pkg:golang/stdlib@" + escape(version)),
		})
	}
	return "SPDXRef-" + id
}

func (b *builder) module(m lock.Module) string {
	out := pkg{
		ID: "go-" + m.Path + "-" + m.Version, Name: m.Path, Version: m.Version, Purpose: "LIBRARY",
		// It is the SHA-256 of a list of the module's files, so no checksum
		// of a file that could be had.
		Comment:  "go.sum: " + m.Sum,
		External: purlRef("pkg:golang/" + escapePath(strings.ToLower(m.Path)) + "@" + escape(m.Version)),
	}
	if b.Licence != nil {
		out.LicenseDeclared = b.licences.text(b.Licence(m.Path, m.Version))
	}
	return b.add(out)
}

func (b *builder) containers() {
	for _, i := range b.Lock.Images {
		name, tag := i.Reference, ""
		if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
			name, tag = name[:at], name[at+1:]
		}
		purl := "pkg:oci/" + escape(strings.ToLower(path.Base(name))) + "@" + escape(i.Digest) + "?arch=amd64&repository_url=" + escapePath(name)
		if tag != "" {
			purl += "&tag=" + escape(tag)
		}
		b.relate(b.root, "CONTAINS", b.add(pkg{
			ID: "image-" + i.Reference, Name: i.Reference, Version: i.Digest, Purpose: "CONTAINER",
			Checksums: sha256Of(strings.TrimPrefix(i.Digest, "sha256:")), External: purlRef(purl),
			Comment: "The checksum is that of the manifest, or of the index of manifests.",
		}))
	}
}

// escape writes a part of a package URL: letters, digits and .-_~: stand for
// themselves, others are percent-encoded (purl specification, "Character
// encoding").
func escape(s string) string { return escapeBut(s, ".-_~:") }

// escapePath is escape for what has slashes.
func escapePath(s string) string { return escapeBut(s, ".-_~:/") }

func escapeBut(s, plain string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(plain, c) >= 0 {
			out.WriteByte(c)
			continue
		}
		fmt.Fprintf(&out, "%%%02X", c)
	}
	return out.String()
}
