// Package component makes the programs of an image that do not come from
// Debian packages. Most are compiled from Go modules: [Resolve] finds the
// modules at lock time, without compiling anything, and [Build] compiles
// exactly those, in the same bytes on any machine. Programs by address or file
// are checked against the definition's SHA-256.
//
// The Go command of the user does the work, with the user's module proxy,
// checksum database and caches.
package component

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Config says with what components are found and made.
type Config struct {
	Runner   run.Runner
	Environ  []string         // the environment, as os.Environ gives it
	Offline  bool             // use the caches alone
	Cache    *fetch.Cache     // of programs by address
	Progress func(p Progress) // called from one goroutine at a time; may be nil
}

// Phases of the making of a component.
const (
	Resolving   = "finding the modules of"
	Downloading = "downloading"
	Checking    = "checking"
	Compiling   = "compiling"
)

// Progress is how far the making of a component is.
type Progress struct {
	Component string
	Phase     string // Resolving, Downloading, Checking or Compiling
	Done      int    // modules or, when compiling, packages; what is cached is not counted
	Total     int    // at most; 0 where nobody knows
}

// String is the phase for people: "compiling kubernetes".
func (p Progress) String() string { return p.Phase + " " + p.Component }

func (cfg *Config) say(p Progress) {
	if cfg.Progress != nil {
		cfg.Progress(p)
	}
}

// Program is one program of a component.
type Program struct {
	Path string // on the image, absolute
	Mode fs.FileMode
	File string // its name in the folder that it was made in
}

// Link is a symbolic link: one more name of a program.
type Link struct{ Path, Target string }

// Output is what a component adds to an image.
type Output struct {
	Programs []Program
	Links    []Link
}

// Names are the components of a cluster's image that this package makes:
// those that are not Debian packages, kubernetes first.
func Names(c *cluster.Cluster) []string {
	var names []string
	for _, named := range c.Def.ImageComponents() {
		if named.Source != cluster.SourceDebian {
			names = append(names, named.Name)
		}
	}
	return names
}

// Describe says what a component of the cluster's image will be made into.
func Describe(c *cluster.Cluster, name string) (*Output, error) {
	r, component, err := find(c, name)
	if err != nil {
		return nil, err
	}
	out := &Output{}
	for _, p := range r.programs {
		if component.Source != cluster.SourceGo && p.path != r.single {
			continue
		}
		out.Programs = append(out.Programs, Program{Path: p.path, Mode: 0o755, File: p.file()})
		for _, link := range p.links {
			out.Links = append(out.Links, Link{Path: link, Target: p.path})
		}
	}
	return out, nil
}

// find gives the recipe of a component that this package makes.
func find(c *cluster.Cluster, name string) (*recipe, cluster.Component, error) {
	component, ok := c.Def.ImageComponent(name)
	if !ok || component.Source == cluster.SourceDebian {
		return nil, component, fmt.Errorf("making component %q: not one that is made (%s)", name, strings.Join(Names(c), ", "))
	}
	i := slices.IndexFunc(recipes, func(r recipe) bool { return r.name == name })
	if i < 0 {
		return nil, component, fmt.Errorf("making component %q: no way to do it is known", name)
	}
	return &recipes[i], component, nil
}
