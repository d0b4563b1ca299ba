package lock

import (
	"fmt"
	"slices"
	"strings"
)

// Change is one input that differs between two locks. An empty Old means that
// it is new, an empty New that it is gone.
type Change struct {
	Kind string `json:"kind"` // debian, package, boot, go, component, image
	Name string `json:"name"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// String is the change for people: "package tinc: 1.0.35 -> 1.0.36".
func (c Change) String() string {
	switch {
	case c.Old == "":
		return fmt.Sprintf("%s %s: new, %s", c.Kind, c.Name, c.New)
	case c.New == "":
		return fmt.Sprintf("%s %s: %s -> gone", c.Kind, c.Name, c.Old)
	}
	return fmt.Sprintf("%s %s: %s -> %s", c.Kind, c.Name, c.Old, c.New)
}

// Diff lists what differs between two locks, ordered by kind and name. The
// date and where an archive keeps a file are no inputs. A nil lock has none.
func Diff(before, after *Lock) []Change {
	var out []Change
	before, after = orEmpty(before), orEmpty(after)
	if b, a := before.Debian.Release, after.Debian.Release; b != a {
		c := Change{Kind: "debian", Name: "release"}
		if b != 0 {
			c.Old = fmt.Sprint(b)
		}
		if a != 0 {
			c.New = fmt.Sprint(a)
		}
		out = append(out, c)
	}
	out = append(out, compare("package", before.Debian.Packages, after.Debian.Packages,
		func(p Package) (string, string, string) { return p.Name, p.Version, p.SHA256 })...)
	out = append(out, compare("boot", before.Debian.Boot, after.Debian.Boot,
		func(p Package) (string, string, string) { return p.Name, p.Version, p.SHA256 })...)
	out = append(out, diffPrograms(&before.Programs, &after.Programs)...)
	return append(out, compare("image", before.Images, after.Images,
		func(i Image) (string, string, string) { return i.Reference, i.Digest, i.Digest })...)
}

func orEmpty(l *Lock) *Lock {
	if l == nil {
		return &Lock{}
	}
	return l
}

// compare matches inputs by name. Where two versions read alike but the
// content does not, the digest tells them apart.
func compare[T any](kind string, before, after []T, of func(T) (name, version, digest string)) []Change {
	type sides struct{ old, new, oldSum, newSum string }
	all := map[string]*sides{}
	side := func(name string) *sides {
		if all[name] == nil {
			all[name] = &sides{}
		}
		return all[name]
	}
	for _, item := range before {
		name, version, sum := of(item)
		if side(name).old != "" { // a second one of that name
			name += "@" + version
		}
		side(name).old, side(name).oldSum = version, sum
	}
	for _, item := range after {
		name, version, sum := of(item)
		if side(name).new != "" {
			name += "@" + version
		}
		side(name).new, side(name).newSum = version, sum
	}
	var out []Change
	for name, s := range all {
		if s.old == s.new && s.oldSum == s.newSum {
			continue
		}
		if s.old == s.new {
			s.old, s.new = s.old+" ("+s.oldSum+")", s.new+" ("+s.newSum+")"
		}
		out = append(out, Change{Kind: kind, Name: name, Old: s.old, New: s.new})
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return out
}
