package initrd

import (
	"archive/tar"
	"bytes"
	"io"
	"os/exec"
	"path"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/boot/basefs"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/klauspost/compress/zstd"
)

const version = "6.1.0-1-cloud-amd64"

// base is an archive with all that an initrd is made of; none of it is a real
// program.
type base struct {
	files map[string]string // content; "-> x" is a link, "/" a folder
}

func newBase() *base {
	b := &base{files: map[string]string{
		"bin": "-> usr/bin", "usr/bin/sh": "-> dash", "usr/bin/dash": "dash",
		"usr/sbin/modprobe": "-> ../bin/kmod", "etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "ID=debian\n",
		"usr/lib/modprobe.d": "/", "usr/lib/modprobe.d/a.conf": "# a\n",
		strings.TrimPrefix(ignitionEngine, "/"): "engine", "boot/vmlinuz-" + version: "kernel",
		"usr/share/unused": "no",
	}}
	for _, list := range [][]string{required, forIgnition, forNetwork} {
		b.add(list...)
	}
	for _, unit := range units {
		b.add("usr/lib/systemd/system/" + unit)
	}
	dep := ""
	for _, name := range append(append([]string(nil), mustModules...), "nvme", "virtio_net") {
		file := "kernel/drivers/" + strings.ReplaceAll(name, "_", "-") + ".ko.xz"
		if name == "ext4" {
			b.files["usr/lib/modules/"+version+"/modules.builtin"] = "kernel/fs/ext4/ext4.ko\n"
			continue
		}
		b.files["usr/lib/modules/"+version+"/"+file] = name
		needs := ""
		if name == "nvme" {
			needs = " kernel/lib/needed.ko.xz"
		}
		dep += file + ":" + needs + "\n"
	}
	b.files["usr/lib/modules/"+version+"/kernel/lib/needed.ko.xz"] = "needed"
	b.files["usr/lib/modules/"+version+"/kernel/lib/unused.ko.xz"] = "unused"
	b.files["usr/lib/modules/"+version+"/modules.dep"] = dep + "kernel/lib/needed.ko.xz:\nkernel/lib/unused.ko.xz:\n"
	b.files["usr/lib/modules/"+version+"/modules.dep.bin"] = "dep"
	b.files["usr/lib/modules/"+version+"/modules.alias"] = "not used"
	return b
}

func (b *base) add(names ...string) {
	for _, name := range names {
		if _, ok := b.files[basefs.Clean(name)]; !ok {
			b.files[basefs.Clean(name)] = "content of " + name
		}
	}
}

// archive packs the base, with folders, in this or the other order.
func (b *base) archive(t *testing.T, backwards bool) *bytes.Reader {
	t.Helper()
	var names []string
	dirs := map[string]bool{}
	for name := range b.files {
		names = append(names, name)
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := b.files[dir]; !ok {
				dirs[dir] = true
			}
		}
	}
	for dir := range dirs {
		names = append(names, dir)
	}
	sort.Strings(names)
	if backwards {
		sort.Sort(sort.Reverse(sort.StringSlice(names)))
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range names {
		content := b.files[name]
		h := &tar.Header{Name: "./" + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			h = &tar.Header{Name: "./" + name, Typeflag: tar.TypeSymlink, Linkname: to}
		} else if dirs[name] || content == "/" {
			h = &tar.Header{Name: "./" + name + "/", Typeflag: tar.TypeDir, Mode: 0o755}
		} else if strings.Contains(name, "bin/") {
			h.Mode = 0o4755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(out.Bytes())
}

func write(t *testing.T, r *bytes.Reader, o Options) ([]byte, *Info) {
	t.Helper()
	var out bytes.Buffer
	info, err := Write(&out, r, r.Size(), o)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), info
}

// listing is what cpio finds in an initrd.
func listing(t *testing.T, data []byte) string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	cmd := exec.Command(need.Tool(t, "cpio"), "-itvn", "--quiet")
	cmd.Stdin = z
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestListing pins what is in an initrd: names, modes, owners and times.
func TestListing(t *testing.T) {
	for name, o := range map[string]Options{"local": {}, "network": {Network: true}} {
		t.Run(name, func(t *testing.T) {
			data, info := write(t, newBase().archive(t, false), o)
			if want := (Info{Kernel: version, Ignition: true, Files: info.Files, Unpacked: info.Unpacked}); *info != want {
				t.Errorf("got %+v", info)
			}
			// Contents of ours may change; what the listing says of them is their size.
			golden.Check(t, "testdata/"+name+".txt", []byte(listing(t, data)))
		})
	}
}

// TestBoot pins what a boot medium adds: nothing that is there already.
func TestBoot(t *testing.T) {
	b := newBase()
	b.add("/usr/bin/bash", "/usr/bin/lsblk")
	r := b.archive(t, false)
	plain, _ := write(t, r, Options{})
	lines := map[string]bool{}
	for line := range strings.Lines(listing(t, plain)) {
		if !strings.HasPrefix(line, "d") {
			lines[line] = true
		}
	}
	for name, o := range map[string]BootOptions{
		"boot": {Program: []byte("node")}, "rescue": {Program: []byte("node"), Rescue: true},
	} {
		var out bytes.Buffer
		if _, err := WriteBoot(&out, r, r.Size(), o); err != nil {
			t.Fatal(err)
		}
		got := listing(t, out.Bytes())
		golden.Check(t, "testdata/"+name+".txt", []byte(got))
		for line := range strings.Lines(got) {
			if lines[line] {
				t.Errorf("%s: %q is in the other one", name, line)
			}
		}
	}
	var out bytes.Buffer
	if _, err := WriteBoot(&out, r, r.Size(), BootOptions{Program: []byte("node"), Options: Options{Network: true}}); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, out.Bytes()); strings.Contains(got, "network") || strings.Contains(got, "virtio-net") {
		t.Errorf("the network is there twice:\n%s", got)
	}
}

// TestWithoutIgnition leaves all of provisioning to the system.
func TestWithoutIgnition(t *testing.T) {
	b := newBase()
	delete(b.files, strings.TrimPrefix(ignitionEngine, "/"))
	data, info := write(t, b.archive(t, false), Options{})
	if got := listing(t, data); info.Ignition || strings.Contains(got, "provision") || strings.Contains(got, "useradd") {
		t.Errorf("%+v\n%s", info, got)
	}
}

func TestSameBytes(t *testing.T) {
	one, _ := write(t, newBase().archive(t, false), Options{})
	two, _ := write(t, newBase().archive(t, true), Options{})
	if !bytes.Equal(one, two) {
		t.Error("the bytes depend on the order of the base")
	}
}

func TestKernel(t *testing.T) {
	r := newBase().archive(t, false)
	kernel, got, err := Kernel(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(kernel)
	if err != nil || string(data) != "kernel" || got != version {
		t.Errorf("%q of version %q, %v", data, got, err)
	}
}

func TestRefuses(t *testing.T) {
	modules := "usr/lib/modules/" + version
	for name, tt := range map[string]struct {
		spoil func(b *base)
		want  string
	}{
		"no program":   {func(b *base) { delete(b.files, "usr/bin/mount") }, `the base has no "/usr/bin/mount"`},
		"no module":    {func(b *base) { b.files[modules+"/modules.dep"] = "" }, `has no module "dm_mod"`},
		"missing file": {func(b *base) { delete(b.files, modules+"/kernel/lib/needed.ko.xz") }, "needed.ko.xz"},
		"two kernels":  {func(b *base) { b.files["usr/lib/modules/5/modules.dep"] = "" }, "the base has 2 kernels (5, " + version + ")"},
		"no library":   {func(b *base) { b.files["usr/bin/cat"] = program("libgone.so.1") }, `no library "libgone.so.1"`},
		"loop":         {func(b *base) { b.files["usr/bin/cat"] = "-> cat" }, "too many links"},
		"bad list":     {func(b *base) { b.files[modules+"/modules.dep"] = "foo" }, "is not <file>: <files>"},
		"folder":       {func(b *base) { b.files["usr/bin/cat"] = "/" }, "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBase()
			tt.spoil(b)
			r := b.archive(t, false)
			if _, err := Write(io.Discard, r, r.Size(), Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	for want, a := range map[string]archive{
		`"/a/b" has no folder`:             {"a/b": {mode: modeFile}},
		`"/a/b" is in "/a", which is no f`: {"a": {mode: modeFile}, "a/b": {mode: modeFile}},
		"it has 1 bytes, not 2":            {"a": {mode: modeFile, size: 2, open: func() (io.Reader, error) { return strings.NewReader("x"), nil }}},
		"more than the format":             {"a": {mode: modeFile, size: 1 << 32}},
	} {
		if err := a.write(io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestClosure(t *testing.T) {
	m := &modules{
		files: map[string]string{"a": "x/a.ko", "b": "x/b.ko", "c": "y/c.ko"}, builtin: map[string]bool{"d": true},
		needs: map[string][]string{"x/a.ko": {"z/l.ko"}, "x/b.ko": nil, "y/c.ko": {"z/m.ko"}},
	}
	got, err := m.closure([]string{"a", "d"}, []string{"gone", "y/"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x/a.ko", "y/c.ko", "z/l.ko", "z/m.ko"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
