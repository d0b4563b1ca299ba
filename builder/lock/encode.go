package lock

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

const head = "# Every input of the image, by exact version and SHA-256. Written by ingot lock; commit it with the\n" +
	"# definition. \"ingot lock CLUSTER --update\" takes today's versions and shows what changes.\n"

// Encode writes the lock as YAML: one input a line, ordered, so that a change
// of one input is a change of one line. Equal locks give equal bytes.
func (l *Lock) Encode() []byte {
	l.sortAll()
	var b strings.Builder
	b.WriteString(head)
	fmt.Fprintf(&b, "format: %d\ndate: %s\n", Format, text(l.Date.UTC().Format(time.RFC3339)))
	if l.Toolchain != "" {
		fmt.Fprintf(&b, "toolchain: %s\n", text(l.Toolchain))
	}
	fmt.Fprintf(&b, "debian:\n  release: %d\n  requested:\n", l.Debian.Release)
	for _, name := range l.Debian.Requested {
		fmt.Fprintf(&b, "    - %s\n", text(name))
	}
	encodePackages(&b, "packages", l.Debian.Packages)
	if len(l.Debian.Boot) > 0 {
		encodePackages(&b, "boot", l.Debian.Boot)
	}
	l.encode(&b)
	section(&b, "images", len(l.Images))
	for _, i := range l.Images {
		line(&b, 2, "reference", i.Reference, "digest", i.Digest)
	}
	return []byte(b.String())
}

func encodePackages(b *strings.Builder, name string, packages []Package) {
	b.WriteString("  " + name + ":\n")
	for _, p := range packages {
		line(b, 4, "name", p.Name, "version", p.Version, "arch", p.Architecture, "archive", p.Archive,
			"file", p.File, "size", fmt.Sprint(p.Size), "sha256", p.SHA256)
	}
}

func section(b *strings.Builder, name string, items int) {
	if items > 0 {
		b.WriteString(name + ":\n")
	}
}

// line writes one item of a list as a flow mapping; pairs has keys and values
// in turn.
func line(b *strings.Builder, indent int, pairs ...string) {
	b.WriteString(strings.Repeat(" ", indent) + "- {")
	number := false // whether the next value is one
	for i, word := range pairs {
		switch {
		case i%2 == 0:
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(word + ": ")
			number = word == "size"
		case number:
			b.WriteString(word)
		default:
			b.WriteString(text(word))
		}
	}
	b.WriteString("}\n")
}

// text quotes a string. What a lock holds has no quotes or backslashes (see
// the patterns of [Parse]), so that nothing has to be escaped.
func text(s string) string { return `"` + s + `"` }

// Save writes the lock into a cluster's folder.
func (l *Lock) Save(dir string) error {
	if err := atomicfile.Write(filepath.Join(dir, File), l.Encode(), 0o644); err != nil {
		return fmt.Errorf("writing lock: %w", err)
	}
	return nil
}
