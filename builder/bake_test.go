package builder

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
