package builder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/lock"
)

// planned is a plan of lab by a lock with some of everything.
func planned(t *testing.T, change func(cfg *Config)) *plan {
	t.Helper()
	cfg := Config{Cluster: lab(t), Lock: testLock(), Program: []byte("node"), Environ: []string{"PATH=" + tools(t, "")}}
	if change != nil {
		change(&cfg)
	}
	p, err := newBake(cfg).plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tools is a folder with programs that decide about bytes.
func tools(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{bootstrap, packer} {
		write(t, filepath.Join(dir, name), name+version)
	}
	return dir
}

func testLock() *lock.Lock {
	l := &lock.Lock{Date: time.Unix(1e9, 0).UTC(), Debian: lock.Debian{
		Release:  13,
		Packages: []lock.Package{{Name: "a", SHA256: strings.Repeat("a", 64)}},
		Boot:     []lock.Package{{Name: "grub", SHA256: strings.Repeat("b", 64)}},
	}}
	l.Toolchain = "go1.26.0"
	h1 := "h1:" + strings.Repeat("A", 43) + "="
	for component, path := range map[string]string{"kubernetes": "k8s.io/kubernetes", "etcd": "go.etcd.io/etcd/server/v3", "coredns": "github.com/coredns/coredns"} {
		l.Modules = append(l.Modules, lock.Module{Component: component, Path: path, Version: "v1.36.3", Sum: h1, GoMod: h1})
	}
	return l
}

// What an input changes, and what it does not: the first is made again, the
// second comes from the cache.
func TestKeysOfSteps(t *testing.T) {
	keys := func(p *plan) map[string]string {
		out := map[string]string{
			"base": p.base.Key(), "start": p.start.Key(), "root": p.root.Key(), "containers": p.containers.Key(), "bill": p.bill.Key(),
			"medium": p.bootInitrd.Key(),
		}
		for _, program := range p.programs {
			out[program.name] = program.step.Key()
		}
		return out
	}
	was := keys(planned(t, nil))
	if len(was) != 9 {
		t.Fatalf("steps: %v", was)
	}
	for name, c := range map[string]struct {
		change func(cfg *Config)
		want   []string
	}{
		"nothing":           {func(*Config) {}, nil},
		"a node":            {func(cfg *Config) { cfg.Cluster.Def.Nodes[0].Zone = "z" }, nil},
		"a kernel argument": {func(cfg *Config) { cfg.Cluster.Def.System.KernelArgs = []string{"quiet"} }, nil},
		"a home":            {func(cfg *Config) { cfg.Environ = append(cfg.Environ, "HOME=/elsewhere", "TZ=Asia/Tokyo") }, nil},
		"root":              {func(cfg *Config) { cfg.Root = !cfg.Root }, nil},
		"a version":         {func(cfg *Config) { cfg.Version = "v9" }, []string{"bill"}},
		"ingot-node":        {func(cfg *Config) { cfg.Program = []byte("other") }, []string{"bill", "medium", "root"}},
		"a rescue shell":    {func(cfg *Config) { cfg.Cluster.Def.Boot.Rescue = true }, []string{"medium"}},
		"a boot file":       {func(cfg *Config) { cfg.Lock.Debian.Boot[0].SHA256 = strings.Repeat("c", 64) }, []string{"bill", "start"}},
		"a target":          {func(cfg *Config) { cfg.Cluster.Def.Image.Targets = []string{"digitalocean"} }, []string{"medium", "start"}},
		"an image":          {func(cfg *Config) { cfg.Cluster.Def.Image.Preload = []string{"x@sha256:1"} }, []string{"containers", "root"}},
		"a package": {
			func(cfg *Config) { cfg.Lock.Debian.Packages[0].SHA256 = strings.Repeat("c", 64) },
			[]string{"base", "bill", "medium", "root", "start"},
		},
		"the clock": {
			func(cfg *Config) { cfg.Lock.Date = cfg.Lock.Date.Add(time.Second) }, []string{"base", "bill", "kubernetes", "medium", "root", "start"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var changed []string
			for step, key := range keys(planned(t, c.change)) {
				if was[step] != key {
					changed = append(changed, step)
				}
			}
			slices.Sort(changed)
			if diff := cmp.Diff(c.want, changed); diff != "" {
				t.Errorf("made again (-want +got):\n%s", diff)
			}
		})
	}
}

// Where a tool is missing, it is named.
func TestPlanWithoutTools(t *testing.T) {
	cfg := Config{Cluster: lab(t), Lock: testLock(), Environ: []string{"PATH=/nowhere"}}
	for _, dir := range []string{"/usr/sbin", "/sbin"} { // where tools are looked for whatever PATH says
		if _, err := os.Stat(filepath.Join(dir, "mmdebstrap")); err == nil {
			t.Skip("the program is in " + dir)
		}
	}
	if _, err := newBake(cfg).plan(); err == nil || !strings.Contains(err.Error(), `"mmdebstrap" is not installed`) {
		t.Error(err)
	}
}
