// Package extras is the layer of what the definition itself brings to all
// nodes: packages, files and units.
package extras

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

const (
	factory      = "/usr/share/factory"
	tmpfilesPath = "/usr/lib/tmpfiles.d/ingot-extras.conf"
	unitDir      = "/usr/lib/systemd/system"
)

// maxSource bounds a file that the definition names as a source, in bytes.
const maxSource = 64 << 20

// onState says where the folders are that are not part of an image, the longest
// first: /usr/local is a link, and so are the others.
var onState = []struct{ path, on string }{
	{"/usr/local", "/var/usrlocal"}, {"/home", "/var/home"}, {"/mnt", "/var/mnt"}, {"/opt", "/var/opt"}, {"/root", "/var/roothome"},
	{"/srv", "/var/srv"}, {"/var", "/var"},
}

// Layer is the layer. The error names the field of the definition.
func Layer(c *cluster.Cluster) (layer.Layer, error) {
	l := layer.Layer{Name: "extras", Packages: slices.Clone(c.Def.Image.Packages)}
	var lines []string
	for i, spec := range c.Def.Files {
		f, err := file(c.Dir, spec)
		if err != nil {
			return layer.Layer{}, fmt.Errorf("files[%d]: %w", i, err)
		}
		if at, ok := statePath(f.Path); ok {
			line, kept, err := copied(f, at)
			if err != nil {
				return layer.Layer{}, fmt.Errorf("files[%d]: %w", i, err)
			}
			lines, f = append(lines, line), kept
		}
		l.Files = append(l.Files, f)
	}
	if len(lines) > 0 {
		l.Files = append(l.Files, layer.File{Path: tmpfilesPath, Content: []byte(strings.Join(lines, ""))})
	}
	for i, spec := range c.Def.Units {
		if err := addUnit(&l, spec); err != nil {
			return layer.Layer{}, fmt.Errorf("units[%d]: %w", i, err)
		}
	}
	return l, nil
}

// file reads a file of the definition.
func file(dir string, spec cluster.File) (layer.File, error) {
	f := layer.File{Path: spec.Path, Content: []byte(spec.Content)}
	if spec.Mode != "" {
		mode, err := strconv.ParseUint(spec.Mode, 8, 9)
		if err != nil || mode == 0 {
			return layer.File{}, fmt.Errorf("file %q: mode %q is not octal, or nobody could read it", spec.Path, spec.Mode)
		}
		f.Mode = fs.FileMode(mode)
	}
	if spec.Owner != "" {
		var ok bool
		if f.User, f.Group, ok = strings.Cut(spec.Owner, ":"); !ok {
			f.Group = f.User
		}
	}
	if spec.Source != "" {
		source := spec.Source
		if !filepath.IsAbs(source) {
			source = filepath.Join(dir, source)
		}
		data, err := atomicfile.ReadFile(source, maxSource)
		if err != nil {
			return layer.File{}, fmt.Errorf("file %q: %w", spec.Path, err)
		}
		f.Content = data
	}
	return f, nil
}

// statePath says where a path below a folder of state really is.
func statePath(p string) (string, bool) {
	for _, s := range onState {
		if rest, ok := strings.CutPrefix(p, s.path+"/"); ok {
			return s.on + "/" + rest, true
		}
	}
	return "", false
}

// copied has systemd-tmpfiles put a file in its place at boot, where it is not
// there yet, from a copy that the image has (tmpfiles.d(5), "C"). The copy
// belongs to root: the owner may be an account that only the identity brings.
func copied(f layer.File, at string) (line string, kept layer.File, err error) {
	mode, user, group := f.Mode, orDash(f.User), orDash(f.Group)
	if mode == 0 {
		mode = 0o644
	}
	if strings.ContainsAny(at, "\" \t\n%\\") {
		return "", layer.File{}, fmt.Errorf("file %q: below a folder of state, a path has no spaces, quotes, backslashes and percent signs", f.Path)
	}
	kept = layer.File{Path: factory + at, Mode: mode & 0o755, Content: f.Content}
	return fmt.Sprintf("C %s %04o %s %s - %s\n", at, mode, user, group, kept.Path), kept, nil
}

// orDash is the name in tmpfiles.d, whose dash means root.
func orDash(name string) string {
	if name == "" {
		return "-"
	}
	return name
}

// addUnit adds a unit and the links that enabling it would make (systemd.unit(5),
// "[Install] Section Options").
func addUnit(l *layer.Layer, spec cluster.Unit) error {
	u := layer.Unit{Name: spec.Name, Content: spec.Content}
	if spec.Enabled {
		u.WantedBy = install(spec.Content, "WantedBy")
		links := map[string]string{}
		for kind, suffix := range map[string]string{"RequiredBy": ".requires", "UpheldBy": ".upholds"} {
			for _, by := range install(spec.Content, kind) {
				links[path.Join(unitDir, by+suffix, spec.Name)] = "../" + spec.Name
			}
		}
		for _, alias := range install(spec.Content, "Alias") {
			links[path.Join(unitDir, alias)] = spec.Name
		}
		for at, target := range links {
			l.Links = append(l.Links, layer.Link{Path: at, Target: target})
		}
		slices.SortFunc(l.Links, func(a, b layer.Link) int { return strings.Compare(a.Path, b.Path) })
		for _, name := range slices.Concat(u.WantedBy, install(spec.Content, "RequiredBy"), install(spec.Content, "UpheldBy"), install(spec.Content, "Alias")) {
			if strings.ContainsAny(name, "/%") {
				return fmt.Errorf("unit %q: %q in its [Install] section is not the plain name of a unit", spec.Name, name)
			}
		}
	}
	l.Units = append(l.Units, u)
	return nil
}

// install lists the values of a key of the [Install] section, each once. An
// empty value takes back what was said before (systemd.syntax(7)).
func install(content, key string) []string {
	var out []string
	section := ""
	for line := range strings.Lines(strings.ReplaceAll(content, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || section != "[Install]" || strings.TrimSpace(name) != key || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		words := strings.Fields(value)
		if len(words) == 0 {
			out = nil
		}
		for _, w := range words {
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}
