package lock

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDiffPrograms: one line for each component, however many modules it has.
func TestDiffPrograms(t *testing.T) {
	tests := map[string]struct {
		change func(p *Programs)
		want   []string
	}{
		"nothing": {func(*Programs) {}, []string{}},
		"order": {func(p *Programs) {
			p.Modules[0], p.Modules[3] = p.Modules[3], p.Modules[0]
		}, []string{}},
		"toolchain": {func(p *Programs) { p.Toolchain = "go1.26.9" }, []string{"go toolchain: go1.26.8 -> go1.26.9"}},
		"version": {func(p *Programs) {
			p.Modules[0].Version = "v1.36.4"
			p.Modules[1].Version = "v2.6.0+incompatible"
		}, []string{"component kubernetes: v1.36.3 -> v1.36.4 (modules changed: 2)"}},
		"dependency": {func(p *Programs) { p.Modules[2].Version = "v0.0.1" },
			[]string{"component etcd: v3.6.16 -> v3.6.16 (modules changed: 1)"}},
		"go.mod":  {func(p *Programs) { p.Modules[2].GoMod = "h1:x" }, []string{"component etcd: v3.6.16 -> v3.6.16 (modules changed: 1)"}},
		"gone":    {func(p *Programs) { p.Modules = p.Modules[:2] }, []string{"component etcd: v3.6.16 -> gone"}},
		"address": {func(p *Programs) { p.URLs[0].URL = "https://example.org/b" }, []string{"component runc: https://example.org/tool?a=b#c -> https://example.org/b"}},
		"file": {func(p *Programs) { p.Files[0].SHA256 = strings.Repeat("f", 64) },
			[]string{"component coredns: files/coredns (" + sum + ") -> files/coredns (" + strings.Repeat("f", 64) + ")"}},
		"source": {func(p *Programs) {
			p.Files = nil
			p.URLs = append(p.URLs, URL{"coredns", "https://example.org/c", sum})
		}, []string{"component coredns: files/coredns -> https://example.org/c"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before, after := sample(), sample()
			before.sortAll()
			tt.change(&after.Programs)
			if diff := cmp.Diff(tt.want, changes(before, after)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProgramsFit(t *testing.T) {
	const text = `apiVersion: ingot/v1
kind: Cluster
name: a
domain: a.example.com
nodes: [{name: a, roles: [controller, worker], address: 192.0.2.1}]
`
	const own = "components: {coredns: {source: file, file: files/coredns, sha256: SUM}, runc: {source: url, url: \"https://example.org/tool?a=b#c\", sha256: SUM}}\n"
	base := strings.ReplaceAll(text+own, "SUM", sum)
	tests := map[string]struct {
		old, new string
		want     bool
	}{
		"as locked":         {"", "", true},
		"another version":   {"components: {", "kubernetes: {version: v1.36.2}\ncomponents: {", false},
		"no longer from go": {"components: {", "components: {etcd: {source: debian}, ", false},
		"one more":          {"components: {", "components: {cni: {source: go}, ", false},
		"another address":   {"a=b#c", "a=b", false},
		"another file":      {"file: files/", "file: ", false},
		"another hash":      {sum + "}, runc", strings.Repeat("f", 64) + "}, runc", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(base, tt.old, tt.new, 1)
			if tt.old != "" && text == base {
				t.Fatalf("the definition has no %q", tt.old)
			}
			l := sample()
			if got := l.programsFit(parse(t, text)); got != tt.want {
				t.Errorf("fits: %t, want %t", got, tt.want)
			}
		})
	}
}
