// Package sbom writes the bill of materials of an image: every Debian package,
// Go module, container image and program in it, by version, licence and
// digest, as SPDX 2.3 in JSON (spdx.github.io/spdx-spec/v2.3).
//
// What is said of licences is what the packages' own files say, read by a
// program, and no legal advice: licenseConcluded is always NOASSERTION.
package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
)

// imageID is the identifier of the image in a document.
const imageID = "SPDXRef-image"

// Input is what an image is made of.
type Input struct {
	Cluster string // name
	ID      string // of the image
	Version string // of ingot, which writes the document
	Lock    *lock.Lock
	Own     []Program // Ingot's own programs in the image
	// Changed says that others changed the base, so that Installed, and not the
	// lock, says which Debian packages are in the image.
	Changed   bool
	Installed []Package

	// Copyright gives the file debian/copyright of a package, or nil.
	Copyright func(pkg string) []byte
	// Licence gives the licence file of a Go module, or nil.
	Licence func(path, version string) []byte
}

// Program is one of Ingot's own programs.
type Program struct {
	Name    string
	Version string
	SHA256  string // of the file, hexadecimal
}

// Write writes the document. The same input gives the same bytes: the date is
// the lock's, and the namespace is derived from the content.
func Write(w io.Writer, in Input) error {
	d := &document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", ID: documentID, Name: in.Cluster + "-" + in.ID,
		Creation: creation{
			Created:  in.Lock.Date.UTC().Format("2006-01-02T15:04:05Z"), // SPDX 2.3, 6.9
			Creators: []string{"Tool: ingot-" + in.Version},
		},
	}
	b := &builder{Input: in, doc: d, ids: map[string]bool{}, licences: newLicences()}
	b.image()
	b.debian()
	b.programs()
	b.containers()
	d.Extracted = b.licences.extracted()
	return d.encode(w)
}

// Rename gives a document the names of another cluster and image that has the
// same things in it: licences need not be read again. The result is what
// [Write] would write for them.
func Rename(w io.Writer, data []byte, cluster, id string) error {
	var d document
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return fmt.Errorf("reading bill of materials: %w", err)
	}
	i := slices.IndexFunc(d.Packages, func(p pkg) bool { return p.ID == imageID })
	if i < 0 {
		return fmt.Errorf("reading bill of materials: it has no %s", imageID)
	}
	image := &d.Packages[i]
	image.Comment = strings.Replace(image.Comment, strconv.Quote(image.Name), strconv.Quote(cluster), 1)
	d.Name, image.Name, image.Version = cluster+"-"+id, cluster, id
	return d.encode(w)
}

// encode writes the document with the namespace that follows from the rest.
func (d *document) encode(w io.Writer) error {
	d.Namespace = ""
	plain, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("writing bill of materials: %w", err)
	}
	d.Namespace = "urn:uuid:" + uuid(sha256.Sum256(plain))
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("writing bill of materials: %w", err)
	}
	return nil
}

// uuid makes a UUID of version 8 from a hash (RFC 9562, 5.8).
func uuid(sum [sha256.Size]byte) string {
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
