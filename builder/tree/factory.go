package tree

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Where the root keeps what a machine gets when its state is new.
const (
	factoryDir  = "/usr/share/factory"
	factoryConf = "/usr/lib/tmpfiles.d/ingot-factory.conf"
	tmpfilesDir = "/usr/lib/tmpfiles.d/"

	dpkgState = "/var/lib/dpkg"
	dpkgDir   = "/usr/lib/sysimage/dpkg"
)

// stateLinks are the folders of state besides /var. In the root they are links
// into it.
var stateLinks = []struct{ from, to, target string }{
	{"/home", "/var/home", "var/home"},
	{"/mnt", "/var/mnt", "var/mnt"},
	{"/opt", "/var/opt", "var/opt"},
	{"/root", "/var/roothome", "var/roothome"},
	{"/srv", "/var/srv", "var/srv"},
	{"/usr/local", "/var/usrlocal", "../var/usrlocal"},
}

// inState is where a path really is on the machine.
func inState(p string) string {
	for _, l := range stateLinks {
		if below(p, l.from) {
			return l.to + strings.TrimPrefix(p, l.from)
		}
	}
	return p
}

// factory moves what the base has in folders of state to where it is the
// model for new machines, and adds the lines that make it. The database of dpkg
// is not state: it describes the root, so it is part of it.
func (t entries) factory() error {
	if err := t.leadTmpfiles(); err != nil {
		return err
	}
	declared, err := t.declared()
	if err != nil {
		return err
	}
	state := entries{}
	for _, p := range slices.Sorted(maps.Keys(t)) {
		e := t[p]
		switch to := inState(p); {
		case below(p, dpkgState):
			delete(t, p)
			e.Path = dpkgDir + strings.TrimPrefix(p, dpkgState)
			t[e.Path] = e
		case to != p || below(p, "/var"):
			delete(t, p)
			if _, ok := state[to]; !ok && to != "/var" { // /var/opt and /opt are one folder
				e.Path = to
				state[to] = e
			}
		}
	}
	for _, l := range stateLinks {
		t[l.from] = link(l.from, l.target)
		if _, ok := state[l.to]; !ok {
			state[l.to] = folder(l.to, 0o755)
		}
	}
	t["/var"] = folder("/var", 0o755)
	state[dpkgState] = link(dpkgState, "../.."+dpkgDir)
	return t.addFactory(state, declared)
}

// addFactory adds the lines for the folders, links and files of state, and the
// files themselves. What a package of the base declares is left to it.
func (t entries) addFactory(state entries, declared map[string]bool) error {
	var lines strings.Builder
	lines.WriteString("# What the image's packages have in folders of state, for a machine whose state is new.\n")
	for _, p := range slices.Sorted(maps.Keys(state)) {
		e := state[p]
		if declared[p] {
			continue
		}
		if len(e.Xattrs) > 0 {
			return fmt.Errorf("%s has extended attributes, which would be lost in a folder of state", p)
		}
		owner := fmt.Sprintf("%04o %d %d", e.Mode, e.UID, e.GID)
		switch {
		case e.Kind == KindFolder:
			fmt.Fprintf(&lines, "d %s %s - -\n", tmpfilesPath(p), owner)
		case e.Kind == KindLink:
			fmt.Fprintf(&lines, "L %s - - - - %s\n", tmpfilesPath(p), tmpfilesPath(e.Target))
		case e.Size == 0:
			fmt.Fprintf(&lines, "f %s %s - -\n", tmpfilesPath(p), owner)
		default:
			e.Path = factoryDir + p
			if err := t.put(e); err != nil {
				return err
			}
			fmt.Fprintf(&lines, "C %s %s - %s\n", tmpfilesPath(p), owner, tmpfilesPath(e.Path))
		}
	}
	return t.put(file(factoryConf, 0o644, []byte(lines.String())))
}

// tmpfilesPath writes a path for tmpfiles.d(5), where % begins a specifier.
func tmpfilesPath(p string) string {
	p = strings.ReplaceAll(p, "%", "%%")
	if strings.ContainsAny(p, " \t\n\"'\\") {
		return fmt.Sprintf("%q", p)
	}
	return p
}

// configs are the files of tmpfiles.d in the base.
func (t entries) configs() []*entry {
	var out []*entry
	for _, p := range slices.Sorted(maps.Keys(t)) {
		if e := t[p]; strings.HasPrefix(p, tmpfilesDir) && path.Ext(p) == ".conf" && e.Kind == KindFile {
			out = append(out, e)
		}
	}
	return out
}

// leadTmpfiles changes lines of the base's tmpfiles.d that are for what is now
// a link into /var, such as "Q /home", so that they are for what is there.
func (t entries) leadTmpfiles() error {
	for _, e := range t.configs() {
		old, err := e.read()
		if err != nil {
			return err
		}
		var b strings.Builder
		for line := range strings.Lines(string(old)) {
			if kind, p, ok := tmpfilesLine(line); ok && inState(p) != p {
				head, rest, _ := strings.Cut(line, p)
				line = head + inState(p) + rest
				if kind == "" {
					return fmt.Errorf("reading %s: line %q has no type", e.Path, line)
				}
			}
			b.WriteString(line)
		}
		if b.String() != string(old) {
			e.set([]byte(b.String()))
		}
	}
	return nil
}

// declared are the paths that packages of the base have made at boot.
func (t entries) declared() (map[string]bool, error) {
	out := map[string]bool{}
	for _, e := range t.configs() {
		text, err := e.read()
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if kind, p, ok := tmpfilesLine(line); ok && strings.Contains("dDvqQfFCLp", kind[:1]) {
				out[p] = true
			}
		}
	}
	return out, nil
}

// tmpfilesLine gives the type and path of a line. Those with quotes are left
// alone: no package of the base has one.
func tmpfilesLine(line string) (kind, p string, ok bool) {
	f := strings.Fields(line)
	if len(f) < 2 || strings.HasPrefix(f[0], "#") || !strings.HasPrefix(f[1], "/") {
		return "", "", false
	}
	return f[0], path.Clean(f[1]), true
}
