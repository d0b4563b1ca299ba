// Package gorepo makes small Go module proxies on disk, for tests that need
// one. Only tests import it.
package gorepo

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Module is a module to be made.
type Module struct {
	Path    string
	Version string
	GoMod   string            // what its go.mod has after the lines module and go
	Files   map[string]string // path -> content
}

// Publish writes modules into the proxy in dir (go.dev/ref/mod, "GOPROXY
// protocol"). One that is there is replaced.
func Publish(dir string, modules ...Module) error {
	for _, m := range modules {
		goMod := "module " + m.Path + "\n\ngo 1.21\n" + m.GoMod
		files := maps.Clone(m.Files)
		if files == nil {
			files = map[string]string{}
		}
		files["go.mod"] = goMod
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			w, err := z.Create(m.Path + "@" + m.Version + "/" + name)
			if err != nil {
				return fmt.Errorf("publishing %s: %w", m.Path, err)
			}
			if _, err := w.Write([]byte(files[name])); err != nil {
				return fmt.Errorf("publishing %s: %w", m.Path, err)
			}
		}
		if err := z.Close(); err != nil {
			return fmt.Errorf("publishing %s: %w", m.Path, err)
		}
		at := filepath.Join(dir, m.Path, "@v")
		if err := os.MkdirAll(at, 0o755); err != nil {
			return fmt.Errorf("publishing %s: %w", m.Path, err)
		}
		for name, data := range map[string][]byte{
			".info": fmt.Appendf(nil, `{"Version":%q,"Time":"2026-01-01T00:00:00Z"}`, m.Version), ".mod": []byte(goMod), ".zip": b.Bytes(),
		} {
			if err := atomicfile.WriteNoSync(filepath.Join(at, m.Version+name), data, 0o644); err != nil {
				return fmt.Errorf("publishing %s: %w", m.Path, err)
			}
		}
	}
	return nil
}

// Environ is what makes the Go command take modules from the proxy in dir
// alone, and keep them in cache.
func Environ(dir, cache string) []string {
	return []string{"GOPROXY=file://" + dir, "GOSUMDB=off", "GONOPROXY=none", "GOPRIVATE=", "GOMODCACHE=" + cache, "GOTOOLCHAIN=local"}
}

// Remove removes a module cache, whose folders are read-only.
func Remove(cache string) error {
	err := filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return nil // what is not there needs no removal
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(cache)
}

// library is a module with empty packages.
func library(path, version, goMod string, packages ...string) Module {
	m := Module{Path: path, Version: version, GoMod: goMod, Files: map[string]string{}}
	for _, p := range packages {
		name := filepath.Base(filepath.Join("/", path, p))
		m.Files[filepath.Join(p, "p.go")] = "package " + strings.NewReplacer("-", "_", ".", "_").Replace(name) + "\n"
	}
	return m
}
