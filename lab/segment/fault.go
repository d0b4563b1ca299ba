package segment

import (
	"fmt"
	"slices"
	"strings"
)

// faults are what the switch does not forward though it could.
type faults struct {
	cut    map[string]bool
	groups [][]string
}

// open reports whether frames go from a port to another.
func (f *faults) open(from, to string) bool {
	if f.cut[from] || f.cut[to] {
		return false
	}
	grouped := func(name string) bool {
		return slices.ContainsFunc(f.groups, func(g []string) bool { return slices.Contains(g, name) })
	}
	return !grouped(from) || !grouped(to) || slices.ContainsFunc(f.groups, func(g []string) bool {
		return slices.Contains(g, from) && slices.Contains(g, to)
	})
}

// Cut drops all frames to and from a port, as a broken switch would: the
// machine's link stays up.
func (s *Segment) Cut(name string) error {
	return s.fabric.change(func(f *faults) { f.cut[name] = true }, name)
}

// Partition divides the ports into groups that do not see each other, instead
// of those of an earlier call. A port may be in several groups, and one that
// is in none sees all: Partition([]string{"a"}, []string{"b", "c"}) leaves
// "outside" connected to all three.
func (s *Segment) Partition(groups ...[]string) error {
	copied := make([][]string, len(groups))
	for i, g := range groups {
		copied[i] = slices.Clone(g)
	}
	return s.fabric.change(func(f *faults) { f.groups = copied }, slices.Concat(groups...)...)
}

// Heal mends the ports that were cut, or, without names, all cuts and the
// partition. A name that was not cut is left as it is.
func (s *Segment) Heal(names ...string) {
	_ = s.fabric.change(func(f *faults) { // it names no port, and so all of them are known
		if len(names) == 0 {
			clear(f.cut)
			f.groups = nil
		}
		for _, name := range names {
			delete(f.cut, name)
		}
	})
}

// change changes the faults if all names are those of ports.
func (f *fabric) change(to func(*faults), names ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	ports := f.view.Load().ports
	for _, name := range names {
		if !slices.ContainsFunc(ports, func(p *port) bool { return p.name == name }) {
			var known []string
			for _, p := range ports {
				known = append(known, p.name)
			}
			return fmt.Errorf("finding port %q: there is none of this name (%s)", name, strings.Join(known, ", "))
		}
	}
	to(&f.faults)
	f.arrange(ports)
	return nil
}
