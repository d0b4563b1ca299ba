package lock

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"go.yaml.in/yaml/v3"
)

// Programs is what those components are made of that are no Debian packages.
type Programs struct {
	Toolchain string // Go's, that compiles all modules: go1.26.8; empty where nothing is compiled
	Modules   []Module
	URLs      []URL
	Files     []ProgramFile
}

// Module is one Go module that a component is compiled from.
type Module struct {
	Component string // each has versions of its own
	Path      string
	Version   string
	Sum       string // h1: checksum of the module as in go.sum
	GoMod     string // h1: checksum of its go.mod as in go.sum
}

// URL is one program that is fetched by its address, which the definition names.
type URL struct {
	Component string
	URL       string
	SHA256    string
}

// ProgramFile is one program that lies beside the definition.
type ProgramFile struct {
	Component string
	Path      string // relative to the definition
	SHA256    string
}

// ToolchainPattern is the name of a release of Go (go.dev/doc/toolchain).
var ToolchainPattern = regexp.MustCompile(`^go1\.[1-9][0-9]{1,2}(\.[0-9]{1,3}|rc[0-9]{1,2})?$`)

// mainModules are the modules whose version is that of their component.
var mainModules = map[string]string{
	"kubernetes":    "k8s.io/kubernetes",
	"etcd":          "go.etcd.io/etcd/server/v3",
	"coredns":       "github.com/coredns/coredns",
	"containerd":    "github.com/containerd/containerd/v2",
	"cni":           "github.com/containernetworking/plugins",
	"node-exporter": "github.com/prometheus/node_exporter",
}

// MainModule is the Go module whose version is that of the component, or empty
// where it has no source go.
func MainModule(component string) string { return mainModules[component] }

// ModulesOf are the modules that a component is compiled from, ordered by path.
func (p *Programs) ModulesOf(component string) []Module {
	var out []Module
	for _, m := range p.Modules {
		if m.Component == component {
			out = append(out, m)
		}
	}
	return out
}

// ModuleVersion is the version of a component that is compiled from its
// source, or empty where the lock has none.
func (p *Programs) ModuleVersion(component string) string {
	for _, m := range p.Modules {
		if m.Component == component && m.Path == mainModules[component] {
			return m.Version
		}
	}
	return ""
}

// has reports whether the lock has a component that is no Debian package.
func (p *Programs) has(component string) bool {
	return p.ModuleVersion(component) != "" ||
		slices.ContainsFunc(p.URLs, func(u URL) bool { return u.Component == component }) ||
		slices.ContainsFunc(p.Files, func(f ProgramFile) bool { return f.Component == component })
}

func (p *Programs) sort() {
	slices.SortFunc(p.Modules, func(a, b Module) int {
		return strings.Compare(a.Component+" "+a.Path+"@"+a.Version, b.Component+" "+b.Path+"@"+b.Version)
	})
	slices.SortFunc(p.URLs, func(a, b URL) int { return strings.Compare(a.Component, b.Component) })
	slices.SortFunc(p.Files, func(a, b ProgramFile) int { return strings.Compare(a.Component, b.Component) })
}

func (p *Programs) encode(b *strings.Builder) {
	section(b, "modules", len(p.Modules))
	for _, m := range p.Modules {
		line(b, 2, "component", m.Component, "path", m.Path, "version", m.Version, "sum", m.Sum, "mod", m.GoMod)
	}
	section(b, "urls", len(p.URLs))
	for _, u := range p.URLs {
		line(b, 2, "component", u.Component, "url", u.URL, "sha256", u.SHA256)
	}
	section(b, "files", len(p.Files))
	for _, f := range p.Files {
		line(b, 2, "component", f.Component, "path", f.Path, "sha256", f.SHA256)
	}
}

func (r *reader) component(to *string) func(n *yaml.Node, at string) {
	return func(n *yaml.Node, at string) { *to = r.text(n, at, namePattern, "a component's name") }
}

func (r *reader) module(n *yaml.Node, at string) (m Module, key string) {
	const wantSum = "a checksum as in go.sum (h1:...)"
	r.mapping(n, at, fields{
		"component": r.component(&m.Component),
		"path":      func(n *yaml.Node, at string) { m.Path = r.text(n, at, modulePattern, "a module's path") },
		"version":   func(n *yaml.Node, at string) { m.Version = r.text(n, at, moduleVersionPattern, "a module's version") },
		"sum":       func(n *yaml.Node, at string) { m.Sum = r.text(n, at, sumPattern, wantSum) },
		"mod":       func(n *yaml.Node, at string) { m.GoMod = r.text(n, at, sumPattern, wantSum) },
	})
	return m, m.Component + " " + m.Path
}

func (r *reader) url(n *yaml.Node, at string) (u URL, key string) {
	r.mapping(n, at, fields{
		"component": r.component(&u.Component),
		"url":       func(n *yaml.Node, at string) { u.URL = r.text(n, at, plainPattern, "an address") },
		"sha256":    func(n *yaml.Node, at string) { u.SHA256 = r.text(n, at, sha256Pattern, want256) },
	})
	return u, u.Component
}

func (r *reader) programFile(n *yaml.Node, at string) (f ProgramFile, key string) {
	r.mapping(n, at, fields{
		"component": r.component(&f.Component),
		"path":      func(n *yaml.Node, at string) { f.Path = r.text(n, at, plainPattern, "a path") },
		"sha256":    func(n *yaml.Node, at string) { f.SHA256 = r.text(n, at, sha256Pattern, want256) },
	})
	return f, f.Component
}

// programs checks what no single line shows.
func (r *reader) programs(root *yaml.Node, p *Programs) {
	if len(p.Modules) > 0 && value(root, "toolchain") == nil {
		r.fail(root, "toolchain", "missing, and there are modules to compile")
	}
}

// programsFit reports whether the lock has what the definition asks for, and
// no more.
func (p *Programs) programsFit(c *cluster.Cluster) bool {
	want := Programs{}
	compiled := map[string]bool{}
	for _, named := range c.Def.ImageComponents() {
		switch named.Source {
		case cluster.SourceGo:
			if p.ModuleVersion(named.Name) != named.Version {
				return false
			}
			compiled[named.Name] = true
		case cluster.SourceURL:
			want.URLs = append(want.URLs, URL{named.Name, named.URL, named.SHA256})
		case cluster.SourceFile:
			want.Files = append(want.Files, ProgramFile{named.Name, named.File, named.SHA256})
		}
	}
	want.sort()
	return slices.Equal(p.URLs, want.URLs) && slices.Equal(p.Files, want.Files) &&
		!slices.ContainsFunc(p.Modules, func(m Module) bool { return !compiled[m.Component] })
}

// diffPrograms has one change for each component: its modules are many, and
// its version says most of it.
func diffPrograms(before, after *Programs) []Change {
	var out []Change
	if before.Toolchain != after.Toolchain {
		out = append(out, Change{Kind: "go", Name: "toolchain", Old: before.Toolchain, New: after.Toolchain})
	}
	changed := map[string]int{} // modules by component
	for _, c := range compare("", before.Modules, after.Modules, func(m Module) (string, string, string) {
		return m.Component + " " + m.Path, m.Version, m.Sum + m.GoMod
	}) {
		component, _, _ := strings.Cut(c.Name, " ")
		changed[component]++
	}
	type origin struct{ component, from, sum string }
	origins := func(p *Programs, age string) (list []origin) {
		for _, m := range p.Modules {
			if m.Path != mainModules[m.Component] {
				continue
			}
			sum := "same"
			if changed[m.Component] > 0 {
				sum = age
			}
			list = append(list, origin{m.Component, m.Version, sum})
		}
		for _, u := range p.URLs {
			list = append(list, origin{u.Component, u.URL, u.SHA256})
		}
		for _, f := range p.Files {
			list = append(list, origin{f.Component, f.Path, f.SHA256})
		}
		return list
	}
	changes := compare("component", origins(before, "old"), origins(after, "new"),
		func(o origin) (string, string, string) { return o.component, o.from, o.sum })
	for i := range changes {
		c := &changes[i]
		n := changed[c.Name]
		if n == 0 {
			continue
		}
		was, is := before.ModuleVersion(c.Name), after.ModuleVersion(c.Name)
		if was == is { // not by its own version: the checksums of all its modules tell nobody anything
			c.Old, c.New = was, is
		}
		if c.New != "" {
			c.New += fmt.Sprintf(" (modules changed: %d)", n)
		}
	}
	return append(out, changes...)
}
