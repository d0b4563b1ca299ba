package sbom

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
	"github.com/google/licensecheck"
)

// enough is the part of a licence file, in percent, that must be known text
// before it counts as that licence. Names and years are the rest.
const enough = 75

// maxOwn bounds the text of a licence that SPDX does not list, in bytes.
const maxOwn = 64 << 10

// notInID is what an identifier cannot have (SPDX 2.3, 10.1).
var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// maxComment bounds the names that a comment lists.
const maxComment = 20

// licences turns what files say into SPDX expressions.
type licences struct {
	ids        map[string]string // lower case -> identifier
	exceptions map[string]string

	texts map[string]string    // of the licences of the copyright file that is read
	own   map[string]extracted // licences that SPDX does not list, by identifier
}

func newLicences() *licences {
	l := &licences{ids: map[string]string{}, exceptions: map[string]string{}, own: map[string]extracted{}}
	for _, id := range spdxlicenses.GetLicenses() {
		l.ids[strings.ToLower(id)] = id
	}
	for _, id := range spdxlicenses.GetExceptions() {
		l.exceptions[strings.ToLower(id)] = id
	}
	return l
}

// text finds the licences in a licence file: NOASSERTION where it is none that
// is known.
func (l *licences) text(data []byte) string {
	if len(data) == 0 {
		return noAssertion
	}
	found := licensecheck.Scan(data)
	if found.Percent < enough || len(found.Match) == 0 {
		return noAssertion
	}
	var all []string
	for _, m := range found.Match {
		id := l.ids[strings.ToLower(m.ID)]
		if id == "" {
			return noAssertion
		}
		all = append(all, id)
	}
	return conjunction(all)
}

// debian reads debian/copyright in its machine-readable form: the licences of
// all files together. One that SPDX does not list goes into the document with
// its text. Where one has no text, the expression is NOASSERTION and the
// comment has Debian's names.
func (l *licences) debian(data []byte) (expression, comment string) {
	file := parseCopyright(data)
	if len(file.names) == 0 {
		return noAssertion, ""
	}
	l.texts = file.texts
	before := maps.Clone(l.own)
	var all []string
	for _, name := range file.names {
		e, ok := l.expression(name)
		if !ok {
			l.own = before
			listed := file.names
			if len(listed) > maxComment {
				listed = append(slices.Clone(listed[:maxComment]), "...")
			}
			return noAssertion, "Debian's copyright file names: " + strings.Join(listed, "; ")
		}
		all = append(all, e)
	}
	return conjunction(all), ""
}

// custom gives a licence that SPDX does not list an identifier of its own, if
// the copyright file has its text. Packages with the same text share it.
func (l *licences) custom(name string) (string, bool) {
	text := strings.TrimSpace(strings.ToValidUTF8(l.texts[strings.ToLower(name)], "?"))
	if text == "" || len(text) > maxOwn {
		return "", false
	}
	sum := sha256.Sum256([]byte(text))
	id := fmt.Sprintf("LicenseRef-%s-%x", strings.Trim(notInID.ReplaceAllString(name, "-"), "-"), sum[:4])
	l.own[id] = extracted{ID: id, Text: text, Name: strings.ToValidUTF8(name, "?")}
	return id, true
}

// extracted lists the licences that SPDX does not, ordered by identifier.
func (l *licences) extracted() (out []extracted) {
	for _, id := range slices.Sorted(maps.Keys(l.own)) {
		out = append(out, l.own[id])
	}
	return out
}

// conjunction is the expression of all of these, each once.
func conjunction(all []string) string {
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 1 {
		return all[0]
	}
	for i, e := range all {
		if strings.Contains(e, " OR ") || strings.Contains(e, " AND ") {
			all[i] = "(" + e + ")"
		}
	}
	return strings.Join(all, " AND ")
}
