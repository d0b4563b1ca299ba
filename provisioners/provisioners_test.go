package provisioners_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// clusters are the two that come with the project, and those of the
// definitions that use every option and IPv6 alone.
var clusters = []string{"../clusters/prod", "../clusters/lab", "../cluster/testdata/good/everything.yaml", "../cluster/testdata/good/ipv6.yaml"}

func load(t *testing.T, file string) *cluster.Cluster {
	t.Helper()
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "cluster.yaml")
	}
	c, report, err := cluster.Load(file)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func all(t *testing.T, c *cluster.Cluster) []layer.Layer {
	t.Helper()
	layers, err := provisioners.All(c, sample.Public(c))
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

// each calls f with the layers of each cluster, with both kinds of provisioning
// and both releases of Debian.
func each(t *testing.T, f func(t *testing.T, c *cluster.Cluster, layers []layer.Layer)) {
	for _, file := range clusters {
		for _, tool := range []string{cluster.ProvisioningIgnition, cluster.ProvisioningCloudInit} {
			for _, debian := range []int{12, 13} {
				t.Run(fmt.Sprintf("%s/%s/%d", strings.TrimSuffix(path.Base(file), ".yaml"), tool, debian), func(t *testing.T) {
					c := load(t, file)
					c.Def.Provisioning, c.Def.Image.Debian = tool, debian
					f(t, c, all(t, c))
				})
			}
		}
	}
}

// TestMerge: the layers fit together.
func TestMerge(t *testing.T) {
	each(t, func(t *testing.T, _ *cluster.Cluster, layers []layer.Layer) {
		entries, err := layer.Merge(layers...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := layer.Users(layers...); err != nil {
			t.Error(err)
		}
		if len(entries) < 50 {
			t.Errorf("%d entries", len(entries))
		}
		var names []string
		for _, l := range layers {
			if slices.Contains(names, l.Name) {
				t.Errorf("two layers are called %s", l.Name)
			}
			names = append(names, l.Name)
		}
	})
}

// ownName is what a definition cannot call a file (cluster.OwnPaths).
var ownName = regexp.MustCompile(`(^|/)([0-9]+-)?ingot([-.][^/]*)?(/|$)`)

// TestPaths: a definition cannot bring what a layer has, so that no image fails
// late. In /usr it may, on its own risk, except for our folder.
func TestPaths(t *testing.T) {
	free := []string{ // the definition may bring these, and then no layer has them
		"/etc/resolv.conf", "/etc/localtime",
	}
	each(t, func(t *testing.T, _ *cluster.Cluster, layers []layer.Layer) {
		for _, l := range layers {
			if l.Name == "extras" {
				continue
			}
			entries, err := l.Entries()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				own := slices.ContainsFunc(cluster.OwnPaths(), func(p string) bool { return e.Path == p || strings.HasPrefix(e.Path, p+"/") })
				usr := strings.HasPrefix(e.Path, "/usr/")
				mask := e.Mode&fs.ModeSymlink != 0 && path.Dir(e.Path) == "/etc/systemd/system" && e.Target == "/dev/null"
				if !own && !usr && !mask && !ownName.MatchString(e.Path) && !slices.Contains(free, e.Path) {
					t.Errorf("layer %s: a definition could have %s as well", l.Name, e.Path)
				}
			}
		}
	})
}

// TestOwnUnits: of the units that layers bring, a definition can bring none.
func TestOwnUnits(t *testing.T) {
	fromDebian := []string{"tmp.mount"} // in Debian 13; for 12 by us
	each(t, func(t *testing.T, _ *cluster.Cluster, layers []layer.Layer) {
		for _, l := range layers {
			for _, u := range l.Units {
				name := u.Name
				if at := strings.IndexByte(name, '@'); at >= 0 {
					name = name[:at+1] + name[strings.LastIndexByte(name, '.'):]
				}
				if l.Name != "extras" && u.Content != "" && !strings.HasPrefix(name, "ingot") &&
					!slices.Contains(cluster.OwnUnits(), name) && !slices.Contains(fromDebian, name) {
					t.Errorf("layer %s: a definition could have %s as well", l.Name, u.Name)
				}
			}
		}
	})
}

var (
	exec = regexp.MustCompile(`(?m)^Exec\w+=(.*)$`)
	// absolute is a program by its path, with systemd's prefixes.
	absolute = regexp.MustCompile(`^[-@:+!]*/(usr/(bin|sbin|lib)|bin)/\S+`)
)

// TestExec: every unit's programs are given by their paths.
func TestExec(t *testing.T) {
	found := 0
	each(t, func(t *testing.T, _ *cluster.Cluster, layers []layer.Layer) {
		for _, l := range layers {
			for _, u := range l.Units {
				text := u.Content
				for _, d := range u.DropIns {
					text += "\n" + d
				}
				for _, m := range exec.FindAllStringSubmatch(text, -1) {
					found++
					if m[1] != "" && l.Name != "extras" && !absolute.MatchString(m[1]) { // empty: takes back what a package says
						t.Errorf("layer %s: %s: %s", l.Name, u.Name, m[0])
					}
				}
			}
		}
	})
	if found < 100 {
		t.Errorf("found %d programs", found)
	}
}

// TestPorts: no two programs have one port, and the definition is refused that
// gives one of them to the mesh, whose port anybody may set.
func TestPorts(t *testing.T) {
	type socket struct {
		port           int
		address, proto string
	}
	for _, file := range clusters[:2] {
		c := load(t, file)
		data, err := os.ReadFile(filepath.Join(file, "cluster.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		taken := map[socket]string{}
		for _, l := range all(t, c) {
			for _, s := range l.Listeners {
				if s.Program == "" || s.Address == "" || s.Purpose == "" || s.On == "" || s.Port < 0 || (s.Proto != "tcp" && s.Proto != "udp") {
					t.Errorf("layer %s: %+v", l.Name, s)
				}
				at := socket{s.Port, s.Address, s.Proto}
				if other, ok := taken[at]; ok && other != s.Program && s.Port != 0 { // 0: the kernel chooses
					t.Errorf("%s and %s both listen on %+v", other, s.Program, at)
				}
				taken[at] = s.Program
				if s.Port == c.Def.Mesh.Port || s.Port == 0 {
					continue
				}
				text := strings.Replace(string(data), "port: 655", fmt.Sprint("port: ", s.Port), 1)
				report := &diag.Report{}
				_, err := cluster.Parse("cluster.yaml", []byte(text), cluster.Indexes{}, report)
				if err == nil {
					err = report.Err()
				}
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is that of", s.Port)) {
					t.Errorf("%s: mesh.port %d, which %s has, is not refused: %v", c.Def.Name, s.Port, s.Program, err)
				}
			}
		}
		if len(taken) < 8 {
			t.Errorf("%s: found %d listeners", c.Def.Name, len(taken))
		}
	}
}

// TestPackages: what a layer needs is asked for where the lock is solved.
func TestPackages(t *testing.T) {
	each(t, func(t *testing.T, c *cluster.Cluster, layers []layer.Layer) {
		asked := map[string]bool{}
		for _, r := range lock.Requests(c) {
			asked[r.Name] = true
		}
		for _, l := range layers {
			for _, name := range l.Packages {
				if !asked[name] {
					t.Errorf("layer %s needs the package %s, which the lock does not ask for", l.Name, name)
				}
			}
			for _, name := range l.Components {
				if _, ok := c.Def.ImageComponent(name); !ok && name != "ingot-node" {
					t.Errorf("layer %s needs the component %s, which no image has", l.Name, name)
				}
			}
		}
	})
}

// TestListenersDocumented: the reference lists what listens, and nothing else.
func TestListenersDocumented(t *testing.T) {
	c := load(t, clusters[0])
	rows := []string{}
	for _, l := range all(t, c) {
		for _, s := range l.Listeners {
			port := fmt.Sprint(s.Port)
			if s.Port == 0 {
				port = "any"
			}
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s/%s | %s | %s |\n", s.Program, s.Address, port, s.Proto, s.On, s.Purpose))
		}
	}
	text := "\n| program | address | port | on | what for |\n| --- | --- | --- | --- | --- |\n" + strings.Join(rows, "")
	golden.Section(t, "../docs/reference/listeners.md", "<!-- listeners: written by go test ./provisioners -update -->", "<!-- end of listeners -->", text)
}

func TestAllRefuses(t *testing.T) {
	c := load(t, clusters[1])
	_, err := provisioners.All(c, &pki.Public{})
	if err == nil || !strings.Contains(err.Error(), `"kubernetes"`) || !strings.Contains(err.Error(), `"lab0"`) {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	var names []string
	for _, l := range all(t, load(t, clusters[0])) {
		names = append(names, l.Name)
	}
	if got := provisioners.Names(); !slices.Equal(got, names) {
		t.Errorf("the names are %q, the layers %q", got, names)
	}
}
