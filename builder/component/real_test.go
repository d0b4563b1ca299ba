package component

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/run"
)

const definition = `apiVersion: ingot/v1
kind: Cluster
name: a
domain: a.example.com
nodes: [{name: a, roles: [controller, worker], address: 192.0.2.1}]
`

func parse(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	report := &diag.Report{}
	c, err := cluster.Parse("cluster.yaml", []byte(text), cluster.Indexes{}, report)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func never(string) bool { return false }

// slow says that tests may take minutes, and use the module proxy.
func slow() bool { return os.Getenv("INGOT_TEST_SLOW") == "1" }

// realModules resolves components of the real world, for tests that compile
// these. Tests use no network, unless they may be slow; they are skipped where
// the module cache has not what they need.
func realModules(t *testing.T, c *cluster.Cluster, names ...string) *lock.Lock {
	t.Helper()
	l := &lock.Lock{Date: time.Date(2026, 1, 31, 1, 2, 3, 0, time.UTC)}
	for _, name := range names {
		start := time.Now()
		found, err := resolve(t.Context(), c, Config{Environ: os.Environ(), Offline: !slow()}, name)
		if err != nil && !slow() && strings.Contains(err.Error(), "GOPROXY=off") {
			t.Skipf("the module cache has not all of %s (INGOT_TEST_SLOW=1 fetches it)", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d modules in %s", name, len(found.modules), time.Since(start).Round(time.Millisecond))
		l.Modules = append(l.Modules, found.modules...)
		l.Toolchain = newer(l.Toolchain, found.toolchain)
	}
	again, err := lock.Parse("lock.yaml", complete(l))
	if err != nil {
		t.Fatalf("what was resolved makes no lock: %v", err)
	}
	return again
}

// complete encodes a lock that has no packages.
func complete(l *lock.Lock) []byte {
	l.Debian.Release = 13
	return bytes.Replace(l.Encode(), []byte("requested:\n  packages:\n"), []byte("requested: []\n  packages: []\n"), 1)
}

// says runs a program by a name of its own and gives what it says.
func says(t *testing.T, program, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(program, path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestReal compiles real components, runs their programs, and compiles them
// again in another folder with another environment.
func TestReal(t *testing.T) {
	tests := map[string]struct {
		slow bool
		runs map[string]string // command -> what it says
	}{
		"etcd":    {false, map[string]string{"etcd --version": "etcd Version: 3.6.16", "etcdctl version": "etcdctl version: 3.6.16", "etcdutl version": "etcdutl version: 3.6.16"}},
		"coredns": {true, map[string]string{"coredns -version": "CoreDNS-1.14.7", "coredns -plugins": "\nkubernetes\n"}},
		"kubernetes": {true, map[string]string{
			"kubelet --version": "Kubernetes v1.36.3", "kube-apiserver --version": "Kubernetes v1.36.3", "kube-proxy --version": "Kubernetes v1.36.3",
			"kube-controller-manager --version": "Kubernetes v1.36.3", "kube-scheduler --version": "Kubernetes v1.36.3",
			"kubectl version --client -o yaml": "buildDate: \"2026-01-31T01:02:03Z\"", "kubernetes kubelet --version": "Kubernetes v1.36.3",
		}},
		"containerd":    {true, map[string]string{"containerd --version": "v2.4.2", "ctr --version": "v2.4.2", "containerd-shim-runc-v2 -v": "v2.4.2"}},
		"cni":           {true, map[string]string{"bridge": "CNI bridge plugin v1.9.1", "portmap": "CNI portmap plugin v1.9.1"}},
		"node-exporter": {true, map[string]string{"prometheus-node-exporter --version": "1.12.1"}},
	}
	c := parse(t, definition+"components: {containerd: {source: go}, cni: {source: go}, nodeExporter: {source: go}}\n")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.slow && !slow() {
				t.Skip("takes minutes (INGOT_TEST_SLOW=1 does it)")
			}
			l := realModules(t, c, name)
			first, second := t.TempDir(), t.TempDir()
			start := time.Now()
			out, err := Build(t.Context(), c, l, Config{Environ: os.Environ()}, name, first)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("made in %s", time.Since(start).Round(time.Second))
			for command, want := range tt.runs {
				words := strings.Fields(command)
				program := filepath.Join(first, words[0])
				if _, err := os.Stat(program); err != nil {
					program = filepath.Join(first, out.Programs[0].File)
				}
				if got := says(t, program, words[0], words[1:]...); !strings.Contains(got, want) {
					t.Errorf("%s says %q, want %q", command, got, want)
				}
			}
			t.Chdir(second)
			other := append(os.Environ(), "TMPDIR="+t.TempDir(), "GOFLAGS=-tags=other", "GOAMD64=v3", "CGO_ENABLED=1", "TZ=Asia/Tokyo")
			if _, err := Build(t.Context(), c, l, Config{Runner: run.Exec{}, Environ: other, Offline: true}, name, "."); err != nil {
				t.Fatal(err)
			}
			for _, p := range out.Programs {
				same(t, filepath.Join(first, p.File), filepath.Join(second, p.File))
			}
		})
	}
}

// TestRealCorefile: a plugin that is left out is said to be unknown, and those
// before it are known.
func TestRealCorefile(t *testing.T) {
	if !slow() {
		t.Skip("takes minutes (INGOT_TEST_SLOW=1 does it)")
	}
	c := parse(t, definition)
	dir := t.TempDir()
	if _, err := Build(t.Context(), c, realModules(t, c, "coredns"), Config{Environ: os.Environ()}, "coredns", dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "Corefile")
	const text = ".:0 {\n\tbind 127.0.0.1\n\terrors\n\tcache 30\n\tkubernetes cluster.local\n\tforward . 127.0.0.53\n\tnomad\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "coredns"), "-conf", file).CombinedOutput()
	if want := "Corefile:7 - Error during parsing: Unknown directive 'nomad'"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: got %s\nwant %q", err, out, want)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s has %d bytes", filepath.Base(a), len(x))
	if !bytes.Equal(x, y) {
		t.Errorf("%s differs from %s", a, b)
	}
}
