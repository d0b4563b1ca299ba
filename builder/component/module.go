package component

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// mainFile is the file that a component's own main package is in, in src/<name>
// with .txt behind it.
const mainFile = "main.go"

// ownPath is the module that a component is compiled in. The path is the same
// everywhere, because Go writes it into the program.
func (r *recipe) ownPath() string {
	return "github.com/ingot-k8s/ingot/builder/component/src/" + r.name
}

// source is the component's own main package, or nil where it has none.
func (r *recipe) source() []byte {
	data, err := sources.ReadFile("src/" + r.name + "/" + mainFile + ".txt")
	if err != nil {
		return nil
	}
	return data
}

// packages are what the Go command is to list or compile.
func (r *recipe) packages() []string {
	var out []string
	for _, p := range r.programs {
		out = append(out, p.packageName())
	}
	return out
}

func (t target) packageName() string {
	if t.pkg == "" {
		return "."
	}
	return t.pkg
}

// module is a go.mod file that is to be written.
type module struct {
	path, release, godebug string // release of the language: 1.26.8
	toolchain              string
	require                []string // path and version with a space between
	replace                []string // path => path version
}

func (m *module) encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s\n\ngo %s\n", m.path, m.release)
	if m.toolchain != "" {
		fmt.Fprintf(&b, "\ntoolchain %s\n", m.toolchain)
	}
	if m.godebug != "" {
		fmt.Fprintf(&b, "\ngodebug default=%s\n", m.godebug)
	}
	for _, block := range []struct {
		word  string
		lines []string
	}{{"require", m.require}, {"replace", m.replace}} {
		if len(block.lines) > 0 {
			fmt.Fprintf(&b, "\n%s (\n\t%s\n)\n", block.word, strings.Join(block.lines, "\n\t"))
		}
	}
	return []byte(b.String())
}

// write puts the module and the component's own main package into a folder.
func (r *recipe) write(dir string, goMod, goSum []byte) error {
	files := map[string][]byte{"go.mod": goMod, "go.sum": goSum, mainFile: r.source()}
	for name, data := range files {
		if data == nil {
			continue
		}
		if err := atomicfile.Write(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("writing module: %w", err)
		}
	}
	return nil
}

// lockedModule gives the go.mod and go.sum of a locked component. They name
// exactly the modules whose packages are compiled, in the versions that were
// chosen, so that the Go command has nothing to choose.
func (r *recipe) lockedModule(l *lock.Lock) (goMod, goSum []byte, err error) {
	modules := l.ModulesOf(r.name)
	if len(modules) == 0 || l.Toolchain == "" {
		return nil, nil, fmt.Errorf("the lock has no modules of it")
	}
	m := module{path: r.ownPath(), release: strings.TrimPrefix(l.Toolchain, "go"), godebug: r.godebug}
	var sums strings.Builder
	slices.SortFunc(modules, func(a, b lock.Module) int { return strings.Compare(a.Path, b.Path) })
	for _, mod := range modules {
		m.require = append(m.require, mod.Path+" "+mod.Version)
		fmt.Fprintf(&sums, "%s %s %s\n%s %s/go.mod %s\n", mod.Path, mod.Version, mod.Sum, mod.Path, mod.Version, mod.GoMod)
	}
	return m.encode(), []byte(sums.String()), nil
}

// download is what go mod download -json says of one module.
type download struct {
	Path, Version, Dir, GoMod, Sum, GoModSum, Error string
}

// download brings modules, given as path@version, into the module cache. An
// error of one of them is in its entry.
func (g *goCommand) download(ctx context.Context, modules []string) ([]download, error) {
	out, runErr := g.run(ctx, append([]string{"mod", "download", "-json"}, modules...)...)
	var list []download
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var d download
		if err := dec.Decode(&d); err != nil {
			return nil, errors.Join(runErr, fmt.Errorf("reading what go mod download says: %w", err))
		}
		list = append(list, d)
	}
	failed := slices.ContainsFunc(list, func(d download) bool { return d.Error != "" })
	if runErr != nil && !failed { // not about a single module
		return nil, runErr
	}
	return list, nil
}

// goMod is what go mod edit -json says of a go.mod file.
type goMod struct {
	Go      string
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

func (g *goCommand) readModule(ctx context.Context, path string) (*goMod, error) {
	out, err := g.run(ctx, "mod", "edit", "-json", path)
	if err != nil {
		return nil, err
	}
	m := &goMod{}
	if err := json.Unmarshal(out, m); err != nil {
		return nil, fmt.Errorf("reading what go mod edit says: %w", err)
	}
	return m, nil
}
