package component

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
)

// maxNamed is how many modules an error names one by one.
const maxNamed = 10

// OfflineError is what the module cache does not have when nothing else may be used.
type OfflineError struct{ Modules []lock.Module }

func (e *OfflineError) Error() string {
	return "not in the module cache, and downloads are forbidden: " + titles(e.Modules)
}

// TamperedError are modules that are not what the lock names.
type TamperedError struct {
	Modules []lock.Module
	Cache   bool // their files in the module cache were changed
}

func (e *TamperedError) Error() string {
	if e.Cache {
		return "refused, because files in the module cache were changed: " + titles(e.Modules)
	}
	return "refused, because it is another module than the lock names: " + titles(e.Modules)
}

// Hint says what a person can do about it.
func (e *TamperedError) Hint() string {
	if e.Cache {
		return "go clean -modcache empties the module cache; it is filled again by the next bake"
	}
	return "where the lock was not changed by hand, somebody stands between you and the module proxy: compare with go.sum of others"
}

var errTampered = errors.New("its files differ from its checksum")

func titles(modules []lock.Module) string {
	var names []string
	for i, m := range modules {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(modules)-i))
			break
		}
		names = append(names, m.Path+" "+m.Version)
	}
	return strings.Join(names, ", ")
}

// mismatched finds the modules that the Go command refused before it looked at
// each: "verifying path@version: checksum mismatch", or path@version/go.mod.
func mismatched(modules []lock.Module, err error) []lock.Module {
	if !strings.Contains(err.Error(), "checksum mismatch") {
		return nil
	}
	var out []lock.Module
	for _, m := range modules {
		name := "verifying " + m.Path + "@" + m.Version
		if strings.Contains(err.Error(), name+":") || strings.Contains(err.Error(), name+"/go.mod:") {
			out = append(out, m)
		}
	}
	return out
}

// judge compares what the Go command has downloaded with the lock.
func judge(modules []lock.Module, found []download, offline bool) error {
	tampered, missing := &TamperedError{}, &OfflineError{}
	var other error
	for _, d := range found {
		i := indexOf(modules, d)
		if i < 0 {
			return fmt.Errorf("downloading modules: the Go command gave %s %s, which the lock does not name", d.Path, d.Version)
		}
		m := modules[i]
		switch {
		case strings.Contains(d.Error, "checksum mismatch"), d.Error == "" && (d.Sum != m.Sum || d.GoModSum != m.GoMod):
			tampered.Modules = append(tampered.Modules, m)
		case d.Error != "" && offline:
			missing.Modules = append(missing.Modules, m)
		case d.Error != "" && other == nil:
			other = fmt.Errorf("downloading modules: %s", oneLine(d.Error))
		}
	}
	switch {
	case len(tampered.Modules) > 0:
		return tampered
	case len(missing.Modules) > 0:
		return missing
	case other == nil && len(found) != len(modules):
		return fmt.Errorf("downloading modules: the Go command gave %d of %d", len(found), len(modules))
	}
	return other
}
