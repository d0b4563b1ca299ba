package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Where the entries of a layer lie.
const (
	unitDir    = "/usr/lib/systemd/system"
	maskDir    = "/etc/systemd/system"
	sysctlDir  = "/usr/lib/sysctl.d"
	modulesDir = "/usr/lib/modules-load.d"
)

// permissions are the bits of a mode that an entry may have besides its type.
const permissions = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// Entry is one path of a tree.
type Entry struct {
	Path    string      // absolute and clean
	Mode    fs.FileMode // the type (none, ModeDir or ModeSymlink) and the permissions
	User    string      // by name or number; empty means root
	Group   string
	Target  string // of a symbolic link
	Content []byte // of a file

	// Implied marks a folder that only leads to others: where the base has it
	// too, the mode and the owner that it has there hold.
	Implied bool
}

// Entries is what the layer lays into an image, ordered by path, without the
// folders that lead there. An error lists all that is wrong with the layer.
func (l Layer) Entries() ([]Entry, error) {
	var b entries
	if !namePattern.MatchString(l.Name) {
		b.fail("the name %q must match %s", l.Name, namePattern)
	}
	for _, f := range l.Folders {
		b.add(fs.ModeDir, Entry{Path: f.Path, Mode: orMode(f.Mode, 0o755), User: f.User, Group: f.Group})
	}
	for _, f := range l.Files {
		b.add(0, Entry{Path: f.Path, Mode: orMode(f.Mode, 0o644), User: f.User, Group: f.Group, Content: f.Content})
	}
	for _, s := range l.Links {
		b.link(s.Path, s.Target)
	}
	for _, u := range l.Units {
		b.unit(u)
	}
	b.settings(l)
	if len(b.wrong) > 0 {
		return nil, fmt.Errorf("layer %s: %w", l.Name, errors.Join(b.wrong...))
	}
	slices.SortFunc(b.list, byPath)
	return b.list, nil
}

func byPath(a, b Entry) int { return strings.Compare(a.Path, b.Path) }

func orMode(mode, usual fs.FileMode) fs.FileMode {
	if mode == 0 {
		return usual
	}
	return mode
}

// entries collects what a layer lays down, and all that is wrong with it.
type entries struct {
	list  []Entry
	wrong []error
}

func (b *entries) fail(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Errorf(format, args...))
}

// add takes an entry of a type. The entry's mode is its permissions.
func (b *entries) add(kind fs.FileMode, e Entry) {
	if err := checkPath(e.Path); err != nil {
		b.wrong = append(b.wrong, err)
		return
	}
	if e.Mode&^permissions != 0 {
		b.fail("%s: mode %v is more than permissions", e.Path, e.Mode)
		return
	}
	e.Mode |= kind
	for _, old := range b.list {
		if old.Path == e.Path {
			b.fail("%s is there twice", e.Path)
			return
		}
	}
	b.list = append(b.list, e)
}

func (b *entries) file(at, content string) {
	b.add(0, Entry{Path: at, Mode: 0o644, Content: []byte(content)})
}

func (b *entries) link(at, target string) {
	if target == "" || strings.ContainsRune(target, 0) {
		b.fail("%s: the link's target is %q", at, target)
	}
	b.add(fs.ModeSymlink, Entry{Path: at, Mode: 0o777, Target: target})
}

// unit lays down a unit, what wants it, and what changes it.
//
// The mask of a package's unit is a link in /etc/systemd/system, the one place
// that stands above the package's own file without replacing it; it is read
// from the sealed image like everything else.
func (b *entries) unit(u Unit) {
	if !unitPattern.MatchString(u.Name) {
		b.fail("the unit %q must match %s", u.Name, unitPattern)
		return
	}
	if u.Masked {
		if u.Content != "" || len(u.WantedBy) > 0 || len(u.DropIns) > 0 {
			b.fail("unit %s: it is masked, so nothing else can be said of it", u.Name)
		}
		b.link(path.Join(maskDir, u.Name), "/dev/null")
		return
	}
	if u.Content == "" && len(u.WantedBy) == 0 && len(u.DropIns) == 0 {
		b.fail("unit %s: nothing is said of it", u.Name)
	}
	if u.Content != "" {
		b.file(path.Join(unitDir, u.Name), u.Content)
	}
	for _, by := range u.WantedBy {
		if !unitPattern.MatchString(by) {
			b.fail("unit %s: what wants it, %q, must match %s", u.Name, by, unitPattern)
			continue
		}
		b.link(path.Join(unitDir, by+".wants", u.Name), path.Join("..", u.source()))
	}
	for _, name := range slices.Sorted(maps.Keys(u.DropIns)) {
		if !dropInPattern.MatchString(name) {
			b.fail("unit %s: the drop-in %q must match %s", u.Name, name, dropInPattern)
			continue
		}
		b.file(path.Join(unitDir, u.Name+".d", name), u.DropIns[name])
	}
}

// source is the file of a unit: of an instance whose own content is not given,
// it is the template.
func (u Unit) source() string {
	name, instance, ok := strings.Cut(u.Name, "@")
	if !ok || u.Content != "" {
		return u.Name
	}
	return name + "@" + path.Ext(instance)
}

// settings lays down the kernel's settings and modules.
func (b *entries) settings(l Layer) {
	var lines strings.Builder
	for _, key := range slices.Sorted(maps.Keys(l.Sysctls)) {
		value := l.Sysctls[key]
		if !sysctlPattern.MatchString(key) || value == "" || value != strings.TrimSpace(value) || strings.ContainsAny(value, "\r\n\x00") {
			b.fail("sysctl %q = %q: the name must match %s, the value be one line", key, value, sysctlPattern)
			continue
		}
		fmt.Fprintf(&lines, "%s = %s\n", key, value)
	}
	if lines.Len() > 0 {
		b.file(path.Join(sysctlDir, "60-ingot-"+l.Name+".conf"), lines.String())
	}
	lines.Reset()
	modules := slices.Sorted(slices.Values(l.Modules))
	for _, name := range slices.Compact(modules) {
		if !modulePattern.MatchString(name) {
			b.fail("the kernel module %q must match %s", name, modulePattern)
			continue
		}
		lines.WriteString(name + "\n")
	}
	if lines.Len() > 0 {
		b.file(path.Join(modulesDir, "ingot-"+l.Name+".conf"), lines.String())
	}
}
