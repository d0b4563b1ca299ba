package lock

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/diag"
	"go.yaml.in/yaml/v3"
)

// maxLock bounds a lock: 20,000 packages of 300 bytes.
const maxLock = 6 << 20

// Load reads the lock of the cluster in dir. The error is a *diag.ReportError
// with all problems for a bad lock; errors.Is finds fs.ErrNotExist where there
// is none.
func Load(dir string) (*Lock, error) {
	path := filepath.Join(dir, File)
	data, err := atomicfile.ReadFile(path, maxLock)
	if err != nil {
		return nil, fmt.Errorf("reading lock: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a lock. It is strict: unknown, missing and duplicate keys,
// values of another form, items given twice and other formats are errors.
func Parse(file string, data []byte) (*Lock, error) {
	report := &diag.Report{}
	report.AddSource(file, data)
	r := &reader{file: file, report: report}
	l := &Lock{}
	if root := r.document(data); root != nil {
		l = r.lock(root)
	}
	report.Sort()
	if err := report.Err(); err != nil {
		return nil, err
	}
	l.sortAll()
	return l, nil
}

func (r *reader) lock(root *yaml.Node) *Lock {
	l := &Lock{}
	// A lock of another format would be full of unknown keys: say only that.
	if n := value(root, "format"); n != nil && n.Value != fmt.Sprint(Format) {
		r.fail(n, "format", "%q is not a format that this ingot reads (%d)", n.Value, Format)
		return l
	}
	r.mapping(root, "", fields{
		"format": func(n *yaml.Node, at string) { r.number(n, at, Format, Format) },
		"date": func(n *yaml.Node, at string) {
			t, err := time.Parse(time.RFC3339, r.text(n, at, datePattern, "a time such as 2026-01-31T00:00:00Z"))
			if err != nil && n.Kind == yaml.ScalarNode && datePattern.MatchString(n.Value) {
				r.fail(n, at, "%q is not a time", n.Value)
			}
			l.Date = t.UTC()
		},
		"debian": func(n *yaml.Node, at string) { l.Debian = r.debian(n, at) },
		"toolchain?": func(n *yaml.Node, at string) {
			l.Toolchain = r.text(n, at, ToolchainPattern, "a release of Go, such as go1.26.0")
		},
		"modules?": func(n *yaml.Node, at string) { l.Modules = list(r, n, at, r.module) },
		"urls?":    func(n *yaml.Node, at string) { l.URLs = list(r, n, at, r.url) },
		"files?":   func(n *yaml.Node, at string) { l.Files = list(r, n, at, r.programFile) },
		"images?":  func(n *yaml.Node, at string) { l.Images = list(r, n, at, r.image) },
	})
	r.programs(root, &l.Programs)
	return l
}

func (r *reader) debian(n *yaml.Node, at string) (d Debian) {
	r.mapping(n, at, fields{
		"release":   func(n *yaml.Node, at string) { d.Release = int(r.number(n, at, 12, 13)) },
		"requested": func(n *yaml.Node, at string) { d.Requested = list(r, n, at, r.name) },
		"packages":  func(n *yaml.Node, at string) { d.Packages = list(r, n, at, r.debianPackage) },
		"boot?":     func(n *yaml.Node, at string) { d.Boot = list(r, n, at, r.debianPackage) },
	})
	has := map[string]bool{}
	for _, p := range d.Packages {
		has[p.Name] = true
	}
	for _, name := range d.Requested {
		if name != "" && len(d.Packages) > 0 && !has[name] {
			r.fail(n, at+".requested", "%q is not among the packages", name)
		}
	}
	return d
}

func (r *reader) name(n *yaml.Node, at string) (string, string) {
	name := r.text(n, at, namePattern, "the name of a Debian package")
	return name, name
}

func (r *reader) debianPackage(n *yaml.Node, at string) (p Package, key string) {
	r.mapping(n, at, fields{
		"name":    func(n *yaml.Node, at string) { p.Name = r.text(n, at, namePattern, "the name of a Debian package") },
		"version": func(n *yaml.Node, at string) { p.Version = r.text(n, at, versionPattern, "a version") },
		"arch":    func(n *yaml.Node, at string) { p.Architecture = r.text(n, at, archPattern, "amd64 or all") },
		"archive": func(n *yaml.Node, at string) { p.Archive = r.text(n, at, archivePattern, "main or security") },
		"file": func(n *yaml.Node, at string) {
			p.File = r.text(n, at, filePattern, "a path below a mirror")
			if p.File != "" && !filepath.IsLocal(p.File) {
				r.fail(n, at, "%q leads out of the mirror", p.File)
			}
		},
		"size":   func(n *yaml.Node, at string) { p.Size = r.number(n, at, 1, maxPackage) },
		"sha256": func(n *yaml.Node, at string) { p.SHA256 = r.text(n, at, sha256Pattern, want256) },
	})
	return p, p.Name
}

func (r *reader) image(n *yaml.Node, at string) (i Image, key string) {
	r.mapping(n, at, fields{
		"reference": func(n *yaml.Node, at string) { i.Reference = r.text(n, at, plainPattern, "an image's name") },
		"digest":    func(n *yaml.Node, at string) { i.Digest = r.text(n, at, digestPattern, "sha256: and "+want256) },
	})
	return i, i.Reference + "@" + i.Digest
}
