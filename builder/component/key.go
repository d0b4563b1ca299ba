package component

import (
	"fmt"
	"path"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
)

// keyFormat changes when this package makes other bytes of the same inputs in
// a way that the rest of a key does not show.
const keyFormat = "component 1"

// Key gives the strings that determine the bytes that [Build] makes: two
// equal keys stand for equal programs.
func Key(c *cluster.Cluster, l *lock.Lock, name string) ([]string, error) {
	r, component, err := find(c, name)
	if err != nil {
		return nil, err
	}
	out, err := Describe(c, name)
	if err != nil {
		return nil, err
	}
	key := []string{keyFormat, name, component.Source}
	for _, p := range out.Programs {
		key = append(key, fmt.Sprintf("program %s %o %s", p.Path, p.Mode, p.File))
	}
	for _, link := range out.Links {
		key = append(key, "link "+link.Path+" "+link.Target)
	}
	if component.Source != cluster.SourceGo {
		return append(key, component.SHA256), nil
	}
	goMod, goSum, err := r.lockedModule(l)
	if err != nil {
		return nil, fmt.Errorf("making component %q: %w", name, err)
	}
	key = append(key, l.Toolchain, string(goMod), string(goSum), string(r.source()))
	key = append(key, r.buildFlags(component.Version, l.Date)...)
	key = append(key, r.packages()...)
	// Of the environment, what says what is compiled; the rest is where things are.
	return append(key, strings.Join(fixed, " "), path.Join("go", l.Toolchain)), nil
}
