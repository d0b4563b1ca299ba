package ignition

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// maxSource bounds a file that the definition names as a source. Much less
// fits into an identity; the limit only keeps a device or a disk image out.
const maxSource = 1 << 20

// extraFiles are the definition's own files: those of all nodes, unless the
// image carries them, and those of the node, which win over them.
func extraFiles(c *cluster.Cluster, n *cluster.Node) ([]File, error) {
	var files []File
	index := map[string]int{}
	add := func(specs []cluster.File, replace bool) error {
		for _, spec := range specs {
			f, err := extraFile(c.Dir, spec)
			if err != nil {
				return err
			}
			if i, known := index[f.Path]; known && replace {
				files[i] = f
				continue
			}
			index[f.Path] = len(files)
			files = append(files, f)
		}
		return nil
	}
	if *c.Def.Identity.Common {
		if err := add(c.Def.Files, false); err != nil {
			return nil, err
		}
	}
	return files, add(n.Spec.Files, true)
}

func extraFile(dir string, spec cluster.File) (File, error) {
	f := File{Path: spec.Path, Mode: modePublic, Owner: rootOwner, Data: []byte(spec.Content)}
	if spec.Mode != "" {
		mode, err := strconv.ParseUint(spec.Mode, 8, 9)
		if err != nil {
			return File{}, fmt.Errorf("file %q: mode %q is not octal (000 to 0777)", spec.Path, spec.Mode)
		}
		f.Mode = fs.FileMode(mode)
	}
	if spec.Owner != "" {
		user, group, ok := strings.Cut(spec.Owner, ":")
		if !ok {
			group = user
		}
		if !isAccount(user) || !isAccount(group) {
			return File{}, fmt.Errorf("file %q: owner %q is not a user or user:group", spec.Path, spec.Owner)
		}
		f.Owner = user + ":" + group
	}
	if spec.Source != "" {
		path := spec.Source
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		data, err := atomicfile.ReadFile(path, maxSource)
		if err != nil {
			return File{}, fmt.Errorf("file %q: %w", spec.Path, err)
		}
		f.Data = data
	}
	return f, nil
}

// isAccount reports whether a user or group name, or a number, can stand in a
// bundle and on a command line.
func isAccount(s string) bool {
	if s == "" || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-$", r))
	})
}

// extraUnits are the definition's own units, by the same rules as its files.
func extraUnits(c *cluster.Cluster, n *cluster.Node) []Unit {
	var units []Unit
	index := map[string]int{}
	add := func(specs []cluster.Unit, replace bool) {
		for _, spec := range specs {
			u := Unit{Name: spec.Name, Enabled: spec.Enabled, Content: spec.Content}
			if i, known := index[u.Name]; known && replace {
				units[i] = u
				continue
			}
			index[u.Name] = len(units)
			units = append(units, u)
		}
	}
	if *c.Def.Identity.Common {
		add(c.Def.Units, false)
	}
	add(n.Spec.Units, true)
	return units
}
