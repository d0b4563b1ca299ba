package builder

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/sbom"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
)

// full is a manifest with something in every field.
func full() *Manifest {
	sum := strings.Repeat("0123456789abcdef", 4)
	return &Manifest{
		Format: ManifestFormat, Ingot: "v0.1.0", Cluster: "lab", ID: "0123456789ab", Date: time.Unix(1e9, 0).UTC(),
		Kubernetes: "v1.36.3", Debian: 13, Targets: []string{"qemu"},
		Inputs: Inputs{Definition: sum, Lock: sum, PKI: sum, Program: sum, Tools: map[string]string{"mksquashfs": sum}}, Kernel: "ro",
		Partitions: []Partition{{Number: 1, Label: "bios", Type: "t", GUID: "x", Offset: 1 << 20, Size: 1 << 20}},
		Trees:      []Tree{{Label: "root", RootHash: sum, SHA256: sum, Size: 1}}, DiskSize: 1,
		Files:      []Output{{Name: "lab-0123456789ab.raw", Format: Raw, SHA256: sum, Size: 1}, {Name: "sbom.spdx.json", SHA256: sum, Size: 2}},
		Components: []Component{{Name: "etcd", Version: "v3", Source: "go", Size: 1}},
		Unlocked: &Unlocked{
			Written: 2, Removed: 1, More: []sbom.Package{{Name: "a", Version: "1", Architecture: "all"}}, Gone: []sbom.Package{{Name: "b", Version: "2", Architecture: "amd64"}},
		},
		Timings: []Timing{{Step: "root", Seconds: 1.5, Cached: true}},
	}
}

func TestManifest(t *testing.T) {
	m := full()
	for i, v := 0, reflect.ValueOf(*m); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the test leaves %s out", v.Type().Field(i).Name)
		}
	}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "manifest.json"), data)
	path := filepath.Join(t.TempDir(), ManifestFile)
	write(t, path, string(data))
	got, err := ReadManifest(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f, ok := got.File(Raw); !ok || f.Name != "lab-0123456789ab.raw" {
		t.Errorf("the raw image is %v, %v", f, ok)
	}
	if f, ok := got.File(OVA); ok {
		t.Errorf("an OVA: %v", f)
	}
}

func TestManifestRefused(t *testing.T) {
	data, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, c := range map[string]struct{ old, new, want string }{
		"a path":          {`"lab-0123456789ab.raw"`, `"../lab.raw"`, `"../lab.raw" is not the name of a file`},
		"a slash":         {`"lab-0123456789ab.raw"`, `"/"`, `"/" is not the name of a file`},
		"a folder":        {`"lab-0123456789ab.raw"`, `"."`, `"." is not the name of a file`},
		"hidden":          {`"lab-0123456789ab.raw"`, `".raw"`, `".raw" is not the name of a file`},
		"no name":         {`"lab-0123456789ab.raw"`, `""`, `"" is not the name of a file`},
		"escape sequence": {`"lab-0123456789ab.raw"`, `"\u001b[2J"`, `"\x1b[2J" is not the name of a file`},
		"another format":  {`"format": 1`, `"format": 2, "more": 1`, "format 2 is unknown (1)"},
		"no format":       {`"format": 1,`, ``, "format 0 is unknown (1)"},
		"unknown key":     {`"format": 1`, `"format": 1, "more": 1`, `unknown field "more"`},
		"unknown below":   {`"lock"`, `"lok"`, `unknown field "lok"`},
		"cluster":         {`"cluster": "lab"`, `"cluster": "../lab"`, `"../lab" is not the name of a cluster`},
		"no cluster":      {`"cluster": "lab"`, `"cluster": ""`, `"" is not the name of a cluster`},
		"id":              {`"id": "0123456789ab"`, `"id": "0123456789AB"`, `"0123456789AB" is not the name of an image`},
		"cut":             {"\n}\n", "", "unexpected end"},
		"more after it":   {"\n}\n", "\n}{}", "after top-level value"},
		"another type":    {`"bytes": 2`, `"bytes": "2"`, "cannot unmarshal string"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(string(data), c.old) {
				t.Fatalf("%s is not in the manifest", c.old)
			}
			path := filepath.Join(dir, ManifestFile)
			write(t, path, strings.Replace(string(data), c.old, c.new, 1))
			m, err := ReadManifest(path)
			if err == nil || m != nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := ReadManifest(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a manifest that is not there: %v", err)
	}
}

// FuzzManifest holds what is read to what may be used as paths, and to being
// read again as it is written.
func FuzzManifest(f *testing.F) {
	data, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":1,"cluster":"a","id":"0123456789ab","files":[{"name":"a\\b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if file.Name != filepath.Base(file.Name) || !filepath.IsLocal(file.Name) {
				t.Errorf("%q leads elsewhere", file.Name)
			}
		}
		again, err := m.Encode()
		if err != nil {
			t.Skip("a year that JSON has no form for")
		}
		got, err := parseManifest(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := got.Encode(); err != nil || string(third) != string(again) {
			t.Errorf("%v:\n%s\nis not\n%s", err, third, again)
		}
	})
}

// The sums are such that sha256sum checks them.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	var files []Output
	for _, name := range []string{"b", "a"} {
		write(t, filepath.Join(dir, name), "content of "+name)
		files = append(files, Output{Name: name, SHA256: sum([]byte("content of " + name))})
	}
	write(t, filepath.Join(dir, SumsFile), string(sums(files)))
	check := func() (string, error) {
		cmd := exec.Command(need.Tool(t, "sha256sum"), "--strict", "-c", SumsFile)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil || out != "b: OK\na: OK\n" {
		t.Errorf("%v: %s", err, out)
	}
	write(t, filepath.Join(dir, "a"), "content of A")
	if out, err := check(); err == nil {
		t.Errorf("a change is not seen: %s", out)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
