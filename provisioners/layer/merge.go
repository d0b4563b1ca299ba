package layer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// The ids of users that layers bring.
const (
	minUserID = 800
	maxUserID = 899
)

// Merge puts layers together: their entries and all folders that lead to them,
// "/" included, ordered by path. Folders and links that several layers have
// alike are there once. Everything else that two layers say of one path, and
// two values for one sysctl, are conflicts; the error lists them all, with both
// layers.
func Merge(layers ...Layer) ([]Entry, error) {
	m := merger{byPath: map[string]owned{"/": {Entry: implied("/")}}, sysctls: map[string]setting{}}
	for _, l := range layers {
		list, err := l.Entries()
		if err != nil {
			m.wrong = append(m.wrong, err)
			continue
		}
		for _, e := range list {
			m.add(l.Name, e)
		}
		m.addSysctls(l)
	}
	m.parents()
	if err := errors.Join(m.wrong...); err != nil {
		return nil, err
	}
	out := make([]Entry, 0, len(m.byPath))
	for _, e := range m.byPath {
		out = append(out, e.Entry)
	}
	slices.SortFunc(out, byPath)
	return out, nil
}

func implied(at string) Entry { return Entry{Path: at, Mode: fs.ModeDir | 0o755, Implied: true} }

// owned is an entry and the layer that has it.
type owned struct {
	Entry
	layer string
}

// setting is the value of a sysctl and the layer that sets it.
type setting struct{ value, layer string }

type merger struct {
	byPath  map[string]owned
	sysctls map[string]setting
	wrong   []error
}

func (m *merger) add(layer string, e Entry) {
	old, ok := m.byPath[e.Path]
	switch {
	case !ok:
		m.byPath[e.Path] = owned{e, layer}
	case e.Mode.IsRegular() || !same(old.Entry, e):
		m.wrong = append(m.wrong, fmt.Errorf("layers %s and %s both have %s", old.layer, layer, e.Path))
	}
}

func same(a, b Entry) bool {
	return a.Mode == b.Mode && a.User == b.User && a.Group == b.Group && a.Target == b.Target && bytes.Equal(a.Content, b.Content)
}

func (m *merger) addSysctls(l Layer) {
	for _, key := range slices.Sorted(maps.Keys(l.Sysctls)) {
		value := l.Sysctls[key]
		// A dash says that a failure does not matter; slashes and dots are alike.
		name := strings.ReplaceAll(strings.TrimPrefix(key, "-"), "/", ".")
		old, ok := m.sysctls[name]
		if ok && old.value != value {
			m.wrong = append(m.wrong, fmt.Errorf("layers %s and %s set the sysctl %s to %q and %q", old.layer, l.Name, name, old.value, value))
		}
		m.sysctls[name] = setting{value, l.Name}
	}
}

// parents adds the folders that lead to the entries.
func (m *merger) parents() {
	paths := make([]string, 0, len(m.byPath))
	for p := range m.byPath {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		for dir := path.Dir(p); ; dir = path.Dir(dir) {
			old, ok := m.byPath[dir]
			if !ok {
				m.byPath[dir] = owned{Entry: implied(dir)}
				continue
			}
			if !old.Mode.IsDir() {
				m.wrong = append(m.wrong, fmt.Errorf("%s of layer %s is not a folder, but layer %s has %s below it", dir, old.layer, m.byPath[p].layer, p))
			}
			break
		}
	}
}

// Users are the users of layers, ordered by id. Layers may share a user whom
// they describe alike.
func Users(layers ...Layer) ([]User, error) {
	var wrong []error
	var out []User
	from := map[User]string{}
	for _, l := range layers {
		for _, u := range l.Users {
			if err := u.check(); err != nil {
				wrong = append(wrong, fmt.Errorf("layer %s: %w", l.Name, err))
				continue
			}
			if _, ok := from[u]; ok {
				continue
			}
			for _, old := range out {
				if old.Name == u.Name || old.ID == u.ID {
					wrong = append(wrong, fmt.Errorf("layers %s and %s have different users %s (%d) and %s (%d)",
						from[old], l.Name, old.Name, old.ID, u.Name, u.ID))
				}
			}
			from[u] = l.Name
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b User) int { return a.ID - b.ID })
	return out, errors.Join(wrong...)
}

func (u User) check() error {
	if !userPattern.MatchString(u.Name) {
		return fmt.Errorf("the user %q must match %s", u.Name, userPattern)
	}
	if u.ID < minUserID || u.ID > maxUserID {
		return fmt.Errorf("user %s: id %d is not in %d-%d", u.Name, u.ID, minUserID, maxUserID)
	}
	if strings.ContainsAny(u.Comment, ":\n\x00") {
		return fmt.Errorf("user %s: the comment %q has a colon or a line's end", u.Name, u.Comment)
	}
	return nil
}
