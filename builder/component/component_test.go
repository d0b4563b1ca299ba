package component

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/gorepo"
)

// world is a module proxy of its own, with an empty module cache.
type world struct {
	t            *testing.T
	proxy, cache string
	cfg          Config
	cluster      *cluster.Cluster
	phases       []string
}

const withExporter = definition + "components: {nodeExporter: {source: go}}\n"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, proxy: t.TempDir(), cache: filepath.Join(t.TempDir(), "cache"), cluster: parse(t, withExporter)}
	w.publish(gorepo.Components()...)
	t.Cleanup(func() {
		if err := gorepo.Remove(w.cache); err != nil {
			t.Error(err)
		}
	})
	w.cfg = Config{Environ: append(os.Environ(), gorepo.Environ(w.proxy, w.cache)...), Progress: func(p Progress) {
		if s := p.String(); !slices.Contains(w.phases, s) {
			w.phases = append(w.phases, s)
		}
	}}
	return w
}

func (w *world) publish(modules ...gorepo.Module) {
	w.t.Helper()
	if err := gorepo.Publish(w.proxy, modules...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) resolve(old *lock.Programs, update func(string) bool) *lock.Lock {
	w.t.Helper()
	p, err := Resolve(w.t.Context(), w.cluster, w.cfg, old, update)
	if err != nil {
		w.t.Fatal(err)
	}
	return &lock.Lock{Date: time.Date(2026, 1, 31, 1, 2, 3, 0, time.UTC), Programs: p}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	l := w.resolve(nil, never)
	var got []string
	for _, m := range l.Modules {
		got = append(got, m.Component+" "+m.Path+" "+m.Version)
	}
	want := []string{
		"kubernetes github.com/spf13/cobra v1.0.0", "kubernetes k8s.io/client-go v0.36.3", "kubernetes k8s.io/component-base v0.36.3",
		"kubernetes k8s.io/kubectl v0.36.3", "kubernetes k8s.io/kubernetes v1.36.3",
		"etcd github.com/spf13/cobra v1.0.0", "etcd go.etcd.io/etcd/etcdctl/v3 v3.6.16", "etcd go.etcd.io/etcd/etcdutl/v3 v3.6.16",
		"etcd go.etcd.io/etcd/pkg/v3 v3.6.16", "etcd go.etcd.io/etcd/server/v3 v3.6.16",
		"coredns github.com/coredns/caddy v1.1.4", "coredns github.com/coredns/coredns v1.14.7",
		"node-exporter github.com/prometheus/common v0.1.0", "node-exporter github.com/prometheus/node_exporter v1.12.1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	read, err := lock.Parse("lock.yaml", complete(l))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.Programs, read.Programs); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
}

// TestResolveAgain: what is locked stays until somebody asks.
func TestResolveAgain(t *testing.T) {
	w := newWorld(t)
	first := w.resolve(nil, never)
	w.publish(gorepo.Common("v0.2.0"), gorepo.Module{
		Path: "github.com/prometheus/node_exporter", Version: "v1.12.2", GoMod: "require github.com/prometheus/common v0.2.0\n",
		Files: gorepo.Exporter("v1.12.2").Files,
	})
	w.phases = nil
	if diff := cmp.Diff(first.Programs, w.resolve(&first.Programs, never).Programs); diff != "" || len(w.phases) > 0 {
		t.Errorf("found anew without need: %q\n%s", w.phases, diff)
	}
	older := first.Programs
	older.Toolchain = "go1.25.1" // what the modules ask for is older still
	if got := w.resolve(&older, func(name string) bool { return name == "etcd" }); got.Toolchain != "go1.25.1" || len(w.phases) != 1 {
		t.Errorf("updating etcd: %s, %q", got.Toolchain, w.phases)
	}
	if got := w.resolve(&older, func(name string) bool { return name == "toolchain" }); got.Toolchain != first.Toolchain {
		t.Errorf("updating the toolchain leaves %s", got.Toolchain)
	}
	w.cluster = parse(t, strings.Replace(withExporter, "{source: go}", "{source: go, version: v1.12.2}", 1))
	second := w.resolve(&first.Programs, never)
	changes := lock.Diff(first, second)
	if len(changes) != 1 || changes[0].String() != "component node-exporter: v1.12.1 -> v1.12.2 (modules changed: 2)" {
		t.Errorf("another version changes %v", changes)
	}
}

func TestResolveRefuses(t *testing.T) {
	w := newWorld(t)
	w.cluster = parse(t, strings.Replace(withExporter, "{source: go}", "{source: go, version: v1.99.0}", 1))
	_, err := Resolve(t.Context(), w.cluster, w.cfg, nil, never)
	if err == nil || !strings.Contains(err.Error(), "finding the modules of node-exporter v1.99.0") {
		t.Errorf("a version that is not there: %v", err)
	}
	w.cfg.Offline = true
	w.cache = filepath.Join(t.TempDir(), "empty")
	w.cfg.Environ = append(w.cfg.Environ, "GOMODCACHE="+w.cache)
	if _, err := Resolve(t.Context(), w.cluster, w.cfg, nil, never); err == nil || !strings.Contains(err.Error(), "GOPROXY=off") {
		t.Errorf("offline with an empty cache: %v", err)
	}
	w.cfg.Environ = append(w.cfg.Environ, "PATH="+t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if _, err := Resolve(t.Context(), w.cluster, w.cfg, nil, never); err == nil || !strings.Contains(err.Error(), "the go command is needed") {
		t.Errorf("without Go: %v", err)
	}
}

// TestBuild compiles a small program, and again in another folder.
func TestBuild(t *testing.T) {
	w := newWorld(t)
	l := w.resolve(nil, never)
	w.phases = nil
	first, second := t.TempDir(), t.TempDir()
	out, err := Build(t.Context(), w.cluster, l, w.cfg, "node-exporter", first)
	if err != nil {
		t.Fatal(err)
	}
	want := &Output{Programs: []Program{{Path: "/usr/bin/prometheus-node-exporter", Mode: 0o755, File: "prometheus-node-exporter"}}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	program := filepath.Join(first, "prometheus-node-exporter")
	if got := says(t, program, "x"); got != "exporter v1.12.1 v0.1.0\n" {
		t.Errorf("it says %q", got)
	}
	if diff := cmp.Diff([]string{"downloading node-exporter", "checking node-exporter", "compiling node-exporter"}, w.phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	w.cfg.Environ = append(w.cfg.Environ, "TMPDIR="+t.TempDir(), "GOFLAGS=-tags=other", "GOAMD64=v3", "CGO_ENABLED=1")
	w.cfg.Offline = true
	if _, err := Build(t.Context(), w.cluster, l, w.cfg, "node-exporter", second); err != nil {
		t.Fatal(err)
	}
	same(t, program, filepath.Join(second, "prometheus-node-exporter"))
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{w.cache, first, os.TempDir()} {
		if bytes.Contains(data, []byte(trace)) {
			t.Errorf("the program has the path %s in it", trace)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	w := newWorld(t)
	good := w.resolve(nil, never)
	other := "h1:" + strings.Repeat("A", 43) + "="
	exporter := func(l *lock.Lock) *lock.Module {
		i := slices.IndexFunc(l.Modules, func(m lock.Module) bool { return m.Path == "github.com/prometheus/common" })
		return &l.Modules[i]
	}
	tests := map[string]struct {
		change func(l *lock.Lock, w *world)
		want   string
		as     any
	}{
		"another sum":     {func(l *lock.Lock, _ *world) { exporter(l).Sum = other }, "another module than the lock names: github.com/prometheus/common v0.1.0", new(*TamperedError)},
		"another go.mod":  {func(l *lock.Lock, _ *world) { exporter(l).GoMod = other }, "another module than the lock names: github.com/prometheus/common v0.1.0", new(*TamperedError)},
		"module missing":  {func(l *lock.Lock, _ *world) { exporter(l).Component = "etcd" }, "github.com/prometheus/common", nil},
		"no such version": {func(l *lock.Lock, _ *world) { exporter(l).Version = "v0.9.9" }, "v0.9.9", nil},
		"another version": {func(_ *lock.Lock, w *world) {
			w.cluster = parse(w.t, strings.Replace(withExporter, "{source: go}", "{source: go, version: v1.12.0}", 1))
		}, `the lock has version "v1.12.1", and the definition "v1.12.0"`, nil},
		"other toolchain": {func(l *lock.Lock, _ *world) { l.Toolchain = "go1.99.0" }, "go1.99.0", nil},
		"offline": {func(_ *lock.Lock, w *world) {
			w.cfg.Offline = true
			w.cfg.Environ = append(w.cfg.Environ, "GOMODCACHE="+w.t.TempDir())
		}, "downloads are forbidden: github.com/prometheus/common v0.1.0, github.com/prometheus/node_exporter v1.12.1", new(*OfflineError)},
		"changed in cache": {func(_ *lock.Lock, w *world) { w.tamper("github.com/prometheus/common@v0.1.0/version/v.go") }, "files in the module cache were changed: github.com/prometheus/common v0.1.0", new(*TamperedError)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l, own := *good, *w
			own.t = t
			l.Modules = slices.Clone(good.Modules)
			tt.change(&l, &own)
			dir := t.TempDir()
			_, err := Build(t.Context(), own.cluster, &l, own.cfg, "node-exporter", dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("got %v\nwant %q", err, tt.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%s was made all the same", left[0].Name())
			}
		})
	}
	for _, name := range []string{"runc", "nothing"} {
		if _, err := Build(t.Context(), w.cluster, good, w.cfg, name, t.TempDir()); err == nil || !strings.Contains(err.Error(), "not one that is made (kubernetes, etcd, coredns, node-exporter)") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tamper changes a file of the module cache for one test.
func (w *world) tamper(file string) {
	w.t.Helper()
	path := filepath.Join(w.cache, file)
	before, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	write := func(data []byte) {
		if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, data, 0o644)); err != nil {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(func() { write(before) })
	write(append(before, "// one line more\n"...))
}
