package builder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/pki"
)

func TestFormatsOf(t *testing.T) {
	c := lab(t)
	for _, tt := range []struct {
		targets []string
		want    []Format
	}{
		{nil, []Format{Raw}},
		{[]string{"qemu"}, []Format{Raw, QCOW2}},
		{[]string{"esxi"}, []Format{Raw, VMDK, OVA}},
		{[]string{"digitalocean"}, []Format{Raw, RawGZ}},
		{[]string{"metal"}, []Format{Raw, RawGZ}},
		{[]string{"metal", "digitalocean", "esxi", "qemu"}, Formats()},
	} {
		c.Def.Image.Targets = tt.targets
		if got := FormatsOf(c); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.targets, got, tt.want)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats() {
		if got, err := ParseFormat(string(f)); err != nil || got != f {
			t.Errorf("%s: %s, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "RAW", "gz", "raw.", "vhd"} {
		if _, err := ParseFormat(s); err == nil || !strings.Contains(err.Error(), "(raw, qcow2, vmdk, ova, raw.gz)") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestVariable(t *testing.T) {
	environ := []string{"PATHS=no", "PATH=/first", "EMPTY=", "PATH=/bin:/usr/bin", "A=b=c", "=x", "PAT"}
	for name, want := range map[string]string{"PATH": "/bin:/usr/bin", "EMPTY": "", "A": "b=c", "PAT": "", "NONE": ""} {
		if got := variable(environ, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestTool(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tool"), "the program")
	b := newBake(Config{Cluster: lab(t), Environ: []string{"PATH=/nowhere:" + dir}})
	if got, err := b.tool("tool"); err != nil || got != sum([]byte("the program")) {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := b.tool("no-such-tool"); err == nil || !strings.Contains(err.Error(), `"no-such-tool" is not installed`) {
		t.Error(err)
	}
}

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
		}
		for _, program := range p.programs {
			out[program.name] = program.step.Key()
		}
		return out
	}
	was := keys(planned(t, nil))
	if len(was) != 8 {
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
		"ingot-node":        {func(cfg *Config) { cfg.Program = []byte("other") }, []string{"bill", "root"}},
		"a boot file":       {func(cfg *Config) { cfg.Lock.Debian.Boot[0].SHA256 = strings.Repeat("c", 64) }, []string{"bill", "start"}},
		"a target":          {func(cfg *Config) { cfg.Cluster.Def.Image.Targets = []string{"digitalocean"} }, []string{"start"}},
		"an image":          {func(cfg *Config) { cfg.Cluster.Def.Image.Preload = []string{"x@sha256:1"} }, []string{"containers", "root"}},
		"a package": {
			func(cfg *Config) { cfg.Lock.Debian.Packages[0].SHA256 = strings.Repeat("c", 64) },
			[]string{"base", "bill", "root", "start"},
		},
		"the clock": {
			func(cfg *Config) { cfg.Lock.Date = cfg.Lock.Date.Add(time.Second) }, []string{"base", "bill", "kubernetes", "root", "start"},
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

// compared is an image in a folder, made of what the configuration says.
func compared(t *testing.T) (Config, *Manifest, string) {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{
		Cluster: lab(t), Lock: testLock(), Public: &pki.Public{}, Program: []byte("node"), Environ: []string{"PATH=" + tools(t, "")},
	}
	inputs, err := newBake(cfg).inputs()
	if err != nil {
		t.Fatal(err)
	}
	m := full()
	m.Inputs, m.Files = *inputs, m.Files[:1]
	write(t, filepath.Join(dir, m.Files[0].Name), "raw")
	m.Files[0].SHA256, m.Files[0].Size = sum([]byte("raw")), 3
	return cfg, m, dir
}

// Other inputs are told before anything is baked: there is no store.
func TestCompareInputs(t *testing.T) {
	for name, c := range map[string]struct {
		change func(cfg *Config)
		want   Comparison
	}{
		"definition": {
			func(cfg *Config) { cfg.Cluster.Def.Domain = "x.example" }, Comparison{Inputs: []string{"the definition"}},
		},
		"lock": {
			func(cfg *Config) { cfg.Lock.Date = cfg.Lock.Date.Add(time.Hour) }, Comparison{Inputs: []string{"the lock"}},
		},
		"keys": {
			func(cfg *Config) { cfg.Public = &pki.Public{MeshKeys: map[string][]byte{"lab0": {1}}} },
			Comparison{Inputs: []string{"the public part of the PKI"}},
		},
		"program": {
			func(cfg *Config) { cfg.Program = nil }, Comparison{Inputs: []string{"the program ingot-node"}},
		},
		"tools": {
			func(cfg *Config) { cfg.Environ = []string{"PATH=" + tools(t, "2")} },
			Comparison{Inputs: []string{"the program mksquashfs of this machine", "the program mmdebstrap of this machine"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, m, dir := compared(t)
			c.change(&cfg)
			got, err := Compare(t.Context(), cfg, m, dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&c.want, got); diff != "" || got.Same() {
				t.Errorf("same: %v (-want +got):\n%s", got.Same(), diff)
			}
		})
	}
}

// Who bakes, where and with which settings is no input.
func TestInputs(t *testing.T) {
	cfg, m, _ := compared(t)
	cfg.Version, cfg.Root, cfg.Offline = "v9", true, true
	cfg.Environ = append(cfg.Environ, "TZ=Asia/Tokyo", "LC_ALL=C")
	now, err := newBake(cfg).inputs()
	if err != nil {
		t.Fatal(err)
	}
	if others := m.Inputs.others(now); len(others) > 0 {
		t.Errorf("inputs that differ: %q", others)
	}
}

// Damage is told by each file's name.
func TestCheck(t *testing.T) {
	const name = "lab-0123456789ab.raw"
	for want, spoil := range map[string]func(path string){
		"":                   func(string) {},
		name + " is missing": func(path string) { _ = os.Remove(path) },
		name + " has another content than when it was baked": func(path string) { write(t, path, "Raw") },
		name + " has 1 bytes, and 3 when it was baked":       func(path string) { write(t, path, "R") },
		name + " is not a regular file":                      func(path string) { _ = os.Remove(path); _ = os.Mkdir(path, 0o755) },
	} {
		_, m, dir := compared(t)
		spoil(filepath.Join(dir, name))
		got, err := Check(t.Context(), m, dir)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got.Damaged, "; ") != want || got.Same() != (want == "") {
			t.Errorf("got %q, want %q", got.Damaged, want)
		}
	}
	_, m, dir := compared(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, m, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
