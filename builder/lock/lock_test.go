package lock

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
)

var sum = strings.Repeat("0123456789abcdef", 4)

func sample() *Lock {
	return &Lock{
		Date: time.Date(2026, 1, 31, 1, 2, 3, 0, time.UTC),
		Debian: Debian{
			Release: 13, Requested: []string{"tinc", "curl"},
			Packages: []Package{
				{Name: "tinc", Version: "1.0.36-2.1", Architecture: "amd64", SHA256: sum, Size: 12, Archive: "main", File: "pool/main/t/tinc/tinc_1.0.36-2.1_amd64.deb"},
				{Name: "libc++", Version: "1:8.1~a+b", Architecture: "all", SHA256: sum, Size: 3, Archive: "security", File: "pool/l.deb"},
				{Name: "curl", Version: "1e3", Architecture: "amd64", SHA256: sum, Size: 1, Archive: "security", File: "pool/c.deb"},
			},
			Boot: []Package{
				{Name: "grub-pc-bin", Version: "2.12-9", Architecture: "amd64", SHA256: sum, Size: 7, Archive: "main", File: "pool/g.deb"},
			},
		},
		Programs: Programs{
			Toolchain: "go1.26.8",
			Modules: []Module{
				{"kubernetes", "k8s.io/kubernetes", "v1.36.3", "h1:" + strings.Repeat("A", 43) + "=", "h1:" + strings.Repeat("c", 43) + "="},
				{"kubernetes", "github.com/coreos/go-oidc", "v2.5.0+incompatible", "h1:" + strings.Repeat("b", 43) + "=", "h1:" + strings.Repeat("c", 43) + "="},
				{"etcd", "github.com/coreos/go-oidc", "v0.0.0-20260210185600-b8788abfbbc2", "h1:" + strings.Repeat("d", 43) + "=", "h1:" + strings.Repeat("c", 43) + "="},
				{"etcd", "go.etcd.io/etcd/server/v3", "v3.6.16", "h1:" + strings.Repeat("b", 43) + "=", "h1:" + strings.Repeat("c", 43) + "="},
			},
			URLs:  []URL{{Component: "runc", URL: "https://example.org/tool?a=b#c", SHA256: sum}},
			Files: []ProgramFile{{Component: "coredns", Path: "files/coredns", SHA256: sum}},
		},
		Images: []Image{{Reference: "registry.example.org/app:1", Digest: "sha256:" + sum}},
	}
}

func TestEncode(t *testing.T) {
	l := sample()
	first := l.Encode()
	golden.Check(t, filepath.Join("testdata", "sample.yaml"), first)
	got, err := Parse("lock.yaml", first)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if !bytes.Equal(got.Encode(), first) {
		t.Error("written again, it differs")
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no lock: %v", err)
	}
	l := sample()
	if err := l.Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestParseRefuses changes one thing of a good lock at a time.
func TestParseRefuses(t *testing.T) {
	good := string(sample().Encode())
	tests := map[string]struct{ old, new, want string }{
		"unknown key":         {`format: 1`, "format: 1\nfoo: 2", `lock.yaml:4:1: foo: unknown key (date, debian, files, format, images, modules, toolchain, urls)`},
		"another format":      {`format: 1`, "format: 2", `lock.yaml:3:9: format: "2" is not a format that this ingot reads (1)`},
		"missing":             {`  release: 13` + "\n", "", `lock.yaml:7:3: debian.release: missing`},
		"another release":     {`release: 13`, "release: 11", `debian.release: "11" is not a number from 12 to 13`},
		"twice":               {`"libc++", version`, `"curl", version`, `debian.packages[1]: "curl" is given twice`},
		"key twice":           {`format: 1`, "format: 1\nformat: 1", `lock.yaml:4:1: format: given twice`},
		"no hash":             {`size: 12, sha256: "` + sum, `size: 12, sha256: "abc`, `debian.packages[2].sha256: "abc" is not 64 hexadecimal digits in lower case`},
		"path out":            {`file: "pool/l.deb"`, `file: "pool/../../l.deb"`, `debian.packages[1].file: "pool/../../l.deb" leads out of the mirror`},
		"path at root":        {`file: "pool/l.deb"`, `file: "/pool/l.deb"`, `is not a path below a mirror`},
		"no file of packages": {`file: "pool/l.deb"`, `file: "pool/l"`, `is not a path below a mirror`},
		"address":             {`file: "pool/l.deb"`, `file: "http://a/l.deb"`, `is not a path below a mirror`},
		"bad name":            {`- {name: "tinc"`, `- {name: "../x"`, `debian.packages[2].name: "../x" is not the name of a Debian package`},
		"architecture":        {`arch: "all"`, `arch: "arm64"`, `"arm64" is not amd64 or all`},
		"size":                {`size: 12`, `size: -1`, `size: "-1" is not a number from 1 to`},
		"no time":             {`2026-01-31T`, `2026-02-31T`, `date: "2026-02-31T01:02:03Z" is not a time`},
		"zone":                {`01:02:03Z`, `01:02:03+01:00`, `is not a time such as`},
		"requested":           {`- "tinc"`, `- "tonc"`, `debian.requested: "tonc" is not among the packages`},
		"list":                {`urls:`, "urls: 3\nurls2:", `urls: want a list`},
		"alias":               {`arch: "all"`, `arch: *x`, `unknown anchor`},
		"syntax":              {`format: 1`, "format: [", `lock.yaml:`},
		"second document":     {`format: 1`, "format: 1\n---\na: 1", `more than one document`},
		"digest":              {`digest: "sha256:`, `digest: "md5:`, `images[0].digest`},
		"checksum":            {`sum: "h1:`, `sum: "h2:`, `modules[0].sum`},
		"checksum of go.mod":  {`mod: "h1:`, `mod: "`, `modules[0].mod`},
		"module's path":       {`path: "k8s.io/kubernetes"`, `path: "k8s.io//kubernetes"`, `modules[3].path: "k8s.io//kubernetes" is not a module's path`},
		"module's version":    {`"v1.36.3"`, `"latest"`, `modules[3].version: "latest" is not a module's version`},
		"module twice":        {`"v3.6.16"`, `"v3.6.16", sum: "", mod: ""}` + "\n" + `  - {component: "etcd", path: "go.etcd.io/etcd/server/v3", version: "v3.6.17"`, `is given twice`},
		"toolchain":           {`toolchain: "go1.26.8"`, `toolchain: "local"`, `toolchain: "local" is not a release of Go`},
		"no toolchain":        {`toolchain: "go1.26.8"` + "\n", ``, `toolchain: missing, and there are modules to compile`},
		"component":           {`component: "runc"`, `component: "Runc"`, `urls[0].component: "Runc" is not a component's name`},
		"file's hash":         {`path: "files/coredns", sha256: "0`, `path: "files/coredns", sha256: "x`, `files[0].sha256`},
		"empty":               {good, "# nothing\n", `the lock is empty`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if text == good {
				t.Fatalf("the lock has no %q to replace", tt.old)
			}
			_, err := Parse("lock.yaml", []byte(text))
			var bad *diag.ReportError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample().Encode())
	f.Add([]byte("format: 1\ndebian: {packages: [{name: a}, &a [*a]]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse("lock.yaml", data)
		if err != nil {
			return
		}
		again, err := Parse("lock.yaml", l.Encode())
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if diff := cmp.Diff(l, again); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}

func TestDiff(t *testing.T) {
	before, after := sample(), sample()
	after.Date = after.Date.Add(time.Hour)
	after.Debian.Packages[1].File = "pool/elsewhere.deb"
	if got := Diff(before, after); len(got) != 0 {
		t.Errorf("the date and the place of a file are no inputs: %v", got)
	}
	p := after.Debian.Packages
	p[0].Version = "1.0.37-1"
	p[1].SHA256 = strings.Repeat("f", 64)
	p[2].Name = "wget"
	after.Images = append(after.Images, Image{Reference: after.Images[0].Reference, Digest: "sha256:" + p[1].SHA256})
	var got []string
	for _, c := range Diff(before, after) {
		got = append(got, c.String())
	}
	want := []string{
		"package curl: 1e3 -> gone",
		"package libc++: 1:8.1~a+b (" + sum + ") -> 1:8.1~a+b (" + strings.Repeat("f", 64) + ")",
		"package tinc: 1.0.36-2.1 -> 1.0.37-1",
		"package wget: new, 1e3",
		"image registry.example.org/app:1@sha256:" + strings.Repeat("f", 64) + ": new, sha256:" + strings.Repeat("f", 64),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Diff(nil, before); len(got) != 11 || got[0].String() != "debian release: new, 13" {
		t.Errorf("against no lock: %v", got)
	}
}

func TestRequests(t *testing.T) {
	const text = `apiVersion: ingot/v1
kind: Cluster
name: a
domain: a.example.com
nodes: [{name: a, roles: [controller, worker], address: 192.0.2.1}]
`
	tests := map[string]struct {
		add      string
		has, not []string
	}{
		"as it stands": {"", []string{"containerd", "runc", "containernetworking-plugins", "haproxy", "ignition", "dmsetup", "linux-image-cloud-amd64", "systemd-repart", "prometheus-node-exporter", "tinc"},
			[]string{"cloud-init", "linux-image-amd64", "openssh-server", "tzdata", "initramfs-tools", "apt", "etcd-server"}},
		"cloud-init": {"provisioning: cloud-init\n", []string{"cloud-init"}, []string{"ignition", "curl"}},
		"metal":      {"image: {targets: [metal]}\n", []string{"linux-image-amd64"}, []string{"linux-image-cloud-amd64"}},
		"Debian 12":  {"image: {debian: 12}\n", []string{"systemd"}, []string{"systemd-repart", "systemd-cryptsetup"}},
		"no metrics": {"features: {nodeExporter: false}\n", nil, []string{"prometheus-node-exporter"}},
		"time zone":  {"system: {timezone: Europe/Berlin}\n", []string{"tzdata"}, nil},
		"sources": {"components: {etcd: {source: debian}, containerd: {source: go}, cni: {source: go}, runc: {source: url, url: https://example.com/r, sha256: " + sum + "}}\n",
			[]string{"etcd-server", "etcd-client", "prometheus-node-exporter"}, []string{"containerd", "runc", "containernetworking-plugins"}},
		"extra": {"image: {packages: [htop, tinc]}\n", []string{"htop", "tinc"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := cluster.Parse("cluster.yaml", []byte(text+tt.add), cluster.Indexes{}, &diag.Report{})
			if err != nil {
				t.Fatal(err)
			}
			has := map[string]int{}
			for _, r := range Requests(c) {
				has[r.Name]++
				if r.Name == "htop" && (r.Path != "image.packages[0]" || c.Where(r.Path).String() != "cluster.yaml:6:20") {
					t.Errorf("htop is said to stand at %s, %s", r.Path, c.Where(r.Path))
				}
			}
			for _, name := range tt.has {
				if has[name] != 1 {
					t.Errorf("%s is there %d times", name, has[name])
				}
			}
			for _, name := range tt.not {
				if has[name] != 0 {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}
