package cluster

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// manifestSuffixes are the names by which a folder's manifests are found.
var manifestSuffixes = []string{".yaml", ".yml", ".json"}

func (v *validator) checkAddons() {
	once := seen{}
	for i, s := range v.def.Addons {
		at := element("addons", i)
		if !v.local(at, s) {
			continue
		}
		s = strings.TrimSuffix(s, "/")
		if !v.once(once, s, at, "the addon "+quoted(s)) {
			continue
		}
		if err := v.checkAddon(s); err != nil {
			v.errorf(at, "%s: %s", quoted(s), err)
		}
	}
}

// checkAddon looks whether there is a manifest, or a folder with at least one.
func (v *validator) checkAddon(s string) error {
	root, err := v.open()
	if err != nil {
		return sourceError(err)
	}
	info, err := root.Stat(s)
	if err != nil {
		return sourceError(err)
	}
	isManifest := func(name string) bool { return slices.Contains(manifestSuffixes, path.Ext(name)) }
	suffixes := strings.Join(manifestSuffixes, ", ")
	if !info.IsDir() {
		if !info.Mode().IsRegular() || !isManifest(s) {
			return errors.New("not a manifest; want a file named " + suffixes + ", or a folder of them")
		}
		return nil
	}
	entries, err := fs.ReadDir(root.FS(), s)
	if err != nil {
		return sourceError(err)
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isManifest(e.Name()) && !e.IsDir() }) {
		return errors.New("a folder without manifests; want files named " + suffixes)
	}
	return nil
}
