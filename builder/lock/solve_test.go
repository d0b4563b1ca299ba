package lock

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/debrepo"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
)

const definition = `apiVersion: ingot/v1
kind: Cluster
name: a
domain: a.example.com
nodes: [{name: a, roles: [controller, worker], address: 192.0.2.1}]
image:
  packages: [extra]
`

var published = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// world is a cluster and the archives that its host's apt knows.
type world struct {
	t       *testing.T
	repo    *debrepo.Repo
	config  string
	cluster *cluster.Cluster
}

func parse(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Parse("cluster.yaml", []byte(text), cluster.Indexes{}, &diag.Report{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newWorld(t *testing.T) *world {
	t.Helper()
	for _, program := range append([]string{"apt-get"}, debrepo.Programs...) {
		need.Tool(t, program)
	}
	w := &world{t: t, cluster: parse(t, definition)}
	repo, err := debrepo.New(t.Context(), t.TempDir(), run.Exec{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := repo.Close(); err != nil {
			t.Error(err)
		}
	})
	w.repo = repo
	if w.config, err = repo.Configure("trixie", "copy:"+repo.Dir); err != nil {
		t.Fatal(err)
	}
	w.publish("trixie", published, w.packages("1"))
	w.publish("trixie-updates", published.Add(-time.Hour), nil)
	w.publish("trixie-security", published.Add(time.Hour), []debrepo.Package{{Name: "tinc", Version: "1:1.5+b1~x"}})
	return w
}

// packages are all that an image asks for, and something essential.
func (w *world) packages(version string) []debrepo.Package {
	out := []debrepo.Package{
		{Name: "libessential", Version: version}, {Name: "essential", Version: version, Essential: true, Depends: "libessential"},
		{Name: "unneeded", Version: version}, {Name: "apt", Version: version},
	}
	for _, r := range Requests(w.cluster) {
		out = append(out, debrepo.Package{Name: r.Name, Version: version})
	}
	for _, name := range BootPackages() {
		out = append(out, debrepo.Package{Name: name, Version: version})
	}
	i := slices.IndexFunc(out, func(p debrepo.Package) bool { return p.Name == "extra" })
	out[i].Depends, out[i].Provides = "dependency (>= "+version+")", "virtual"
	return append(out, debrepo.Package{Name: "dependency", Version: version})
}

func (w *world) publish(suite string, date time.Time, packages []debrepo.Package) {
	w.t.Helper()
	if err := w.repo.Publish(w.t.Context(), suite, date, packages); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) options() Options {
	return Options{Runner: run.Exec{}, Environ: append(os.Environ(), "APT_CONFIG="+w.config), Programs: mainOnly(w.cluster)}
}

// mainOnly finds the main module of each component, and asks nobody. What is
// updated gets another checksum.
func mainOnly(c *cluster.Cluster) func(context.Context, *Programs, func(string) bool) (Programs, error) {
	return func(_ context.Context, _ *Programs, update func(string) bool) (Programs, error) {
		p := Programs{Toolchain: "go1.26.8"}
		for _, named := range c.Def.ImageComponents() {
			h1 := "h1:" + strings.Repeat("A", 43) + "="
			if update(named.Name) {
				h1 = strings.ReplaceAll(h1, "A", "B")
			}
			if named.Source == cluster.SourceGo {
				p.Modules = append(p.Modules, Module{named.Name, MainModule(named.Name), named.Version, h1, h1})
			}
		}
		return p, nil
	}
}

func (w *world) make(o Options) *Lock {
	w.t.Helper()
	l, err := Make(w.t.Context(), w.cluster, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func changes(before, after *Lock) []string {
	out := []string{}
	for _, c := range Diff(before, after) {
		out = append(out, c.String())
	}
	return out
}

func TestMake(t *testing.T) {
	w := newWorld(t)
	l := w.make(w.options())
	has := l.versions()
	for name, version := range map[string]string{
		"essential": "1", "libessential": "1", "extra": "1", "dependency": "1", "systemd": "1",
		"tinc": "1:1.5+b1~x", "unneeded": "", "apt": "",
	} {
		if has[name] != version {
			t.Errorf("%s is locked as %q, want %q", name, has[name], version)
		}
	}
	if want := published.Add(time.Hour); !l.Date.Equal(want) {
		t.Errorf("date %s, want that of the newest release file, %s", l.Date, want)
	}
	if !l.Fits(w.cluster) {
		t.Error("the lock does not fit what it was made for")
	}
	text := string(l.Encode())
	for _, secret := range []string{w.repo.Dir, "copy:"} {
		if strings.Contains(text, secret) {
			t.Errorf("the lock names the mirror: it has %q", secret)
		}
	}
	for _, p := range l.Debian.Packages {
		dir, archive := "debian", "main"
		if p.Name == "tinc" {
			dir, archive = "debian-security", "security"
		}
		info, err := os.Stat(filepath.Join(w.repo.Dir, dir, p.File))
		if err != nil || info.Size() != p.Size || p.Archive != archive {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := Parse("lock.yaml", l.Encode()); err != nil {
		t.Error(err)
	}

	t.Run("again", func(t *testing.T) {
		if diff := cmp.Diff(text, string(w.make(w.options()).Encode())); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("clock", func(t *testing.T) {
		o := w.options()
		o.Clock = func(time.Time) (time.Time, error) { return time.Unix(7, 0).UTC(), nil }
		if got := w.make(o).Date; !got.Equal(time.Unix(7, 0)) {
			t.Errorf("date %s", got)
		}
	})
	t.Run("same bytes from a definition's mirror", func(t *testing.T) {
		server := httptest.NewServer(http.FileServer(http.Dir(w.repo.Dir)))
		defer server.Close()
		c := parse(t, definition+"  mirror: "+server.URL+"/debian/\n")
		got, err := Make(t.Context(), c, w.options())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(text, string(got.Encode())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMakeUpdates(t *testing.T) {
	w := newWorld(t)
	old := w.make(w.options())
	both := append(w.packages("1"), w.packages("2")...)
	w.publish("trixie", published.Add(48*time.Hour), both)
	o := w.options()
	o.Old = old

	l := w.make(o)
	if diff := cmp.Diff(string(old.Encode()), string(l.Encode())); diff != "" {
		t.Errorf("without --update something changed:\n%s", diff)
	}

	o.Update = []string{"extra"}
	l = w.make(o)
	if diff := cmp.Diff([]string{"package dependency: 1 -> 2", "package extra: 1 -> 2"}, changes(old, l)); diff != "" {
		t.Errorf("--update extra, with what it needs (-want +got):\n%s", diff)
	}
	if !l.Date.After(old.Date) {
		t.Errorf("the clock stayed at %s", l.Date)
	}

	o.Update = []string{"nothing"}
	if _, err := Make(t.Context(), w.cluster, o); err == nil || !strings.Contains(err.Error(), `it has no package and no component "nothing"`) {
		t.Errorf("--update nothing: %v", err)
	}

	o.Update = []string{"coredns", "cni", "toolchain"} // one from a module, one by its package
	l = w.make(o)
	if diff := cmp.Diff([]string{"package containernetworking-plugins: 1 -> 2", "component coredns: v1.14.7 -> v1.14.7 (modules changed: 1)"}, changes(old, l)); diff != "" {
		t.Errorf("--update coredns cni (-want +got):\n%s", diff)
	}

	o.Update, o.UpdateAll = nil, true
	l = w.make(o)
	for _, p := range l.Debian.Packages {
		if p.Name != "tinc" && p.Version != "2" {
			t.Errorf("--update left %s at %s", p.Name, p.Version)
		}
	}

	o.UpdateAll = false
	w.cluster = parse(t, strings.Replace(definition, "extra]", "extra, unneeded]", 1))
	if old.Fits(w.cluster) {
		t.Error("the lock fits a definition that asks for more")
	}
	if diff := cmp.Diff([]string{"package unneeded: new, 2"}, changes(old, w.make(o))); diff != "" {
		t.Errorf("a package that the definition asks for anew (-want +got):\n%s", diff)
	}

	w.publish("trixie", published.Add(49*time.Hour), w.packages("2"))
	_, err := Make(t.Context(), w.cluster, o)
	var gone *GoneError
	if !errors.As(err, &gone) || !slices.Contains(gone.Packages, "systemd 1") {
		t.Errorf("a locked version that is gone: %v", err)
	}
}

func TestMakeRefuses(t *testing.T) {
	w := newWorld(t)
	bad := func(name, text string, want ...string) {
		t.Run(name, func(t *testing.T) {
			_, err := Make(t.Context(), parse(t, text), w.options())
			for _, want := range want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %q", err, want)
				}
			}
		})
	}
	with := func(list string) string { return strings.Replace(definition, "[extra]", "["+list+"]", 1) }
	bad("no such packages", with("nosuch, extra, nosuch2"),
		`cluster.yaml:7:14: image.packages[0]: Debian 13 has no package "nosuch"`,
		`cluster.yaml:7:29: image.packages[2]: Debian 13 has no package "nosuch2"`)
	bad("virtual", with("virtual"), `cluster.yaml:7:14: image.packages[0]: "virtual" is a virtual package`)
	bad("another release", strings.Replace(definition, "image:", "image:\n  debian: 12", 1), `reading the mirror's signed lists: running "apt-get"`)

	w.publish("trixie-updates", published, []debrepo.Package{{Name: "extra", Version: "9", Depends: "not-there"}})
	bad("unmet", definition, `choosing packages: running "apt-get"`, "extra : Depends: not-there but it is not installable")

	w.publish("trixie-updates", published, nil)
	list := filepath.Join(w.repo.Dir, "debian", "dists", "trixie", "main", "binary-amd64", "Packages")
	data, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(list, []byte(strings.Replace(string(data), "Version: 1", "Version: 3", 1)))
	bad("tampered list", definition, "reading the mirror's signed lists")
	write(list, data)

	release := filepath.Join(w.repo.Dir, "debian", "dists", "trixie", "InRelease")
	signed, err := os.ReadFile(release)
	if err != nil {
		t.Fatal(err)
	}
	write(release, []byte(strings.Replace(string(signed), "Origin: Debian", "Origin: Another", 1)))
	bad("tampered release file", definition, "reading the mirror's signed lists")
	write(release, signed)

	// Another key than the one that the host trusts.
	other, err := debrepo.New(t.Context(), t.TempDir(), run.Exec{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}()
	key, err := os.ReadFile(other.Keyring)
	if err != nil {
		t.Fatal(err)
	}
	write(w.repo.Keyring, key)
	bad("another key", definition, "reading the mirror's signed lists")
	if err := os.Remove(w.repo.Keyring); err != nil {
		t.Fatal(err)
	}
	bad("no key", definition, `finding the keys of the archive "main"`)
}

func TestMakeStops(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Make(ctx, w.cluster, w.options()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
