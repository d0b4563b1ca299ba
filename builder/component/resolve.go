package component

import (
	"bytes"
	"context"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Toolchain is the oldest release of Go that components are compiled with,
// where the user's settings let the Go command fetch another than it is.
const Toolchain = "go1.26.8"

// maxSums bounds a go.sum file.
const maxSums = 16 << 20

// Resolve finds what the cluster's components are made of: the modules of
// those that are compiled, with the checksums that the Go checksum database
// has of them, and the programs that the definition names by address or file.
// Nothing is compiled, and only modules are fetched that the build needs, too.
//
// What old has of a component stays, unless its version differs or update says
// that it is to be found anew ("toolchain" stands for the release of Go). For
// [lock.Options], use [Resolver].
func Resolve(ctx context.Context, c *cluster.Cluster, cfg Config, old *lock.Programs, update func(component string) bool) (lock.Programs, error) {
	if old == nil {
		old = &lock.Programs{}
	}
	p := lock.Programs{}
	var chosen, needed string // releases of Go: what the user's settings choose, and the oldest that will do
	anew := func(name string) bool { return update(name) || update("toolchain") || old.Toolchain == "" }
	for _, named := range c.Def.ImageComponents() {
		switch named.Source {
		case cluster.SourceURL:
			p.URLs = append(p.URLs, lock.URL{Component: named.Name, URL: named.URL, SHA256: named.SHA256})
		case cluster.SourceFile:
			p.Files = append(p.Files, lock.ProgramFile{Component: named.Name, Path: named.File, SHA256: named.SHA256})
		case cluster.SourceGo:
			if old.ModuleVersion(named.Name) == named.Version && !anew(named.Name) {
				p.Modules = append(p.Modules, old.ModulesOf(named.Name)...)
				continue
			}
			cfg.say(Progress{Component: named.Name, Phase: Resolving})
			found, err := resolve(ctx, c, cfg, named.Name)
			if err != nil {
				return lock.Programs{}, fmt.Errorf("finding the modules of %s %s: %w", named.Name, named.Version, err)
			}
			p.Modules = append(p.Modules, found.modules...)
			chosen, needed = newer(chosen, found.toolchain), newer(needed, found.needs)
		}
	}
	if len(p.Modules) == 0 {
		return p, nil
	}
	p.Toolchain = old.Toolchain
	if p.Toolchain == "" || update("toolchain") || version.Compare(needed, p.Toolchain) > 0 {
		p.Toolchain = chosen
	}
	return p, nil
}

// newer is the newer of two releases of Go.
func newer(a, b string) string {
	if version.Compare(a, b) < 0 {
		return b
	}
	return a
}

// Resolver is [Resolve] for the making of a lock.
func Resolver(c *cluster.Cluster, cfg Config) func(context.Context, *lock.Programs, func(string) bool) (lock.Programs, error) {
	return func(ctx context.Context, old *lock.Programs, update func(string) bool) (lock.Programs, error) {
		return Resolve(ctx, c, cfg, old, update)
	}
}

// resolution is what one component is made of.
type resolution struct {
	modules   []lock.Module
	toolchain string // the release of Go that the user's settings choose
	needs     string // the oldest that will do
}

// resolve finds what one component is made of.
func resolve(ctx context.Context, c *cluster.Cluster, cfg Config, name string) (res resolution, err error) {
	r, component, err := find(c, name)
	if err != nil {
		return res, err
	}
	dir, err := os.MkdirTemp("", "ingot-component-")
	if err != nil {
		return res, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing in it is worth an error
	g, err := newGo(ctx, cfg, dir, "")
	if err != nil {
		return res, err
	}
	if res.needs, err = r.start(ctx, g, component.Version); err != nil {
		return res, err
	}
	used, err := g.used(ctx, r, "-mod=mod")
	if err != nil {
		return res, err
	}
	out, err := g.run(ctx, "env", "GOVERSION")
	if err != nil {
		return res, fmt.Errorf("asking for Go's version: %w", err)
	}
	res.toolchain = strings.TrimSpace(string(out))
	if !lock.ToolchainPattern.MatchString(res.toolchain) {
		return res, fmt.Errorf("%q is no release of Go; a lock needs one that others have, too (such as %s)", res.toolchain, Toolchain)
	}
	res.modules, err = sums(filepath.Join(dir, "go.sum"), name, used)
	return res, err
}

// start writes the module that a component is resolved in: it requires the
// component's modules, and leaves it to the Go command what these need.
func (r *recipe) start(ctx context.Context, g *goCommand, componentVersion string) (needs string, err error) {
	// A first module, only to ask in. Its language is too old for no release.
	m := module{path: r.ownPath(), release: "1.21", toolchain: Toolchain}
	if err := r.write(g.dir, m.encode(), []byte{}); err != nil {
		return "", err
	}
	wanted := []string{lock.MainModule(r.name)}
	wanted = append(wanted, r.also...)
	var args []string
	for _, path := range wanted {
		args = append(args, path+"@"+componentVersion)
		m.require = append(m.require, path+" "+componentVersion)
	}
	found, err := g.download(ctx, args)
	if err != nil {
		return "", err
	}
	for _, d := range found {
		if d.Error != "" {
			return "", fmt.Errorf("%s", oneLine(d.Error))
		}
		theirs, err := g.readModule(ctx, d.GoMod)
		if err != nil {
			return "", fmt.Errorf("reading the go.mod of %s: %w", d.Path, err)
		}
		if version.Compare("go"+theirs.Go, "go"+m.release) > 0 {
			m.release = theirs.Go
		}
		if r.staging && d.Path == lock.MainModule(r.name) {
			m.replace = staging(theirs, componentVersion)
		}
	}
	m.godebug = r.godebug
	return "go" + m.release, r.write(g.dir, m.encode(), []byte{})
}

// staging are the modules that live in the main module's own tree. They are
// released on their own, too, as v0.<minor>.<patch> (kubernetes, staging/README.md).
func staging(m *goMod, componentVersion string) []string {
	_, rest, _ := strings.Cut(componentVersion, ".")
	var out []string
	for _, r := range m.Replace {
		if strings.HasPrefix(r.New.Path, "./staging/src/") {
			out = append(out, fmt.Sprintf("%s => %s v0.%s", r.Old.Path, r.Old.Path, rest))
		}
	}
	return out
}

// used lists the modules that have packages of the component, as path and
// version with a space between, ordered.
func (g *goCommand) used(ctx context.Context, r *recipe, mode string) ([]string, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}} {{if .Replace}}{{.Replace.Version}}{{else}}{{.Version}}{{end}}{{end}}{{end}}"
	args := append([]string{"list", mode, "-deps", "-tags=" + r.tags, "-f", format}, r.packages()...)
	out, err := g.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// sums finds the checksums of modules in the go.sum file that the Go command
// wrote, having checked them.
func sums(path, component string, used []string) ([]lock.Module, error) {
	data, err := atomicfile.ReadFile(path, maxSums)
	if err != nil {
		return nil, fmt.Errorf("reading checksums: %w", err)
	}
	sum := map[string]string{}
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) == 3 {
			sum[f[0]+" "+f[1]] = f[2]
		}
	}
	var out []lock.Module
	for _, name := range used {
		modulePath, v, _ := strings.Cut(name, " ")
		m := lock.Module{Component: component, Path: modulePath, Version: v, Sum: sum[name], GoMod: sum[name+"/go.mod"]}
		if m.Sum == "" || m.GoMod == "" {
			return nil, fmt.Errorf("the Go command gave no checksum of %s", name)
		}
		out = append(out, m)
	}
	return out, nil
}

// oneLine makes one line of what the Go command says.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
