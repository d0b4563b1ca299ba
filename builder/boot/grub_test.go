package boot

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/run"
)

// packages is a runner that stands for dpkg-deb and grub-mkimage.
type packages struct {
	t     *testing.T
	files map[string][]string // of packages
	fail  string              // the program that fails
	made  [][]string          // arguments of grub-mkimage, without folders
	left  []string            // files beside it, the first time
}

func (p *packages) Run(_ context.Context, c run.Command) error {
	name := filepath.Base(c.Argv[0])
	if name == p.fail {
		return &run.Error{Argv0: name, ExitCode: 1, Err: errors.New("exit status 1")}
	}
	if name == "dpkg-deb" {
		return pack(c.Stdout, p.files[c.Argv[2]])
	}
	dir := filepath.Dir(c.Argv[0])
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if p.made == nil {
			p.left = append(p.left, e.Name())
		}
	}
	var args []string
	for _, arg := range c.Argv {
		args = append(args, strings.ReplaceAll(arg, dir, "DIR"))
	}
	p.made = append(p.made, args)
	out := c.Argv[slices.Index(c.Argv, "-o")+1]
	return os.WriteFile(out, []byte(filepath.Base(out)), 0o600)
}

func pack(to interface{ Write([]byte) (int, error) }, names []string) error {
	w := tar.NewWriter(to)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: "./" + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(name))}); err != nil {
			return err
		}
		if _, err := w.Write([]byte(name)); err != nil {
			return err
		}
	}
	return w.Close()
}

func loaders(t *testing.T) (*packages, GRUBConfig) {
	p := &packages{t: t, files: map[string][]string{
		"common": {"usr/bin/grub-mkimage", "usr/bin/other"}, "bios": {"usr/lib/grub/i386-pc/boot.img", "usr/lib/grub/i386-pc/fat.mod", "usr/share/doc/x"},
		"shim": {shimFile}, "mok": {mokFile}, "efi": {grubFile},
	}}
	var base bytes.Buffer
	if err := pack(&base, []string{"etc/hosts"}); err != nil {
		t.Fatal(err)
	}
	return p, GRUBConfig{
		Packages: []string{"common", "bios", "shim", "mok", "efi"}, Base: bytes.NewReader(base.Bytes()), Size: int64(base.Len()),
		Runner: p, TmpDir: t.TempDir(), Path: "/bin",
	}
}

func TestLoadGRUB(t *testing.T) {
	p, c := loaders(t)
	g, err := LoadGRUB(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		string(g.Boot): bootFile, string(g.Core): "i386-pc.img", string(g.CD): "i386-pc-eltorito.img", string(g.Shim): shimFile, string(g.EFI): grubFile, string(g.MOK): mokFile,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var want []string
	for _, t := range []target{onDisk, onCD} {
		want = append(want, strings.Join(slices.Concat([]string{"DIR/ld-linux-x86-64.so.2 --library-path DIR DIR/grub-mkimage -O", t.format,
			"-d DIR -p", t.prefix, "-o", "DIR/" + t.format + ".img"}, t.modules, menuModules), " "))
	}
	for i, args := range p.made {
		if i >= len(want) || strings.Join(args, " ") != want[i] {
			t.Errorf("ran %q\nwant %q", args, want)
		}
	}
	if len(p.made) != len(want) {
		t.Errorf("ran %d times, want %d", len(p.made), len(want))
	}
	if want := []string{"boot.img", "fat.mod", "grub-mkimage"}; !slices.Equal(p.left, want) {
		t.Errorf("beside the program: %q, want %q", p.left, want)
	}
	if left, err := os.ReadDir(c.TmpDir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestLoadGRUBRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(p *packages, c *GRUBConfig)
		want  string
	}{
		"no package":    {func(_ *packages, c *GRUBConfig) { c.Packages = c.Packages[:4] }, "no package has /" + grubFile},
		"no program":    {func(_ *packages, c *GRUBConfig) { c.Packages = c.Packages[1:] }, "no package has /usr/bin/grub-mkimage"},
		"broken":        {func(p *packages, _ *GRUBConfig) { p.fail = "dpkg-deb" }, `reading boot loaders: "common": running "dpkg-deb"`},
		"cannot make":   {func(p *packages, _ *GRUBConfig) { p.fail = "ld-linux-x86-64.so.2" }, "making boot loader: running"},
		"no base":       {func(_ *packages, c *GRUBConfig) { c.Base, c.Size = strings.NewReader("x"), 1 }, "making boot loader: reading the base"},
		"no such place": {func(_ *packages, c *GRUBConfig) { c.TmpDir = "/nowhere" }, "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := loaders(t)
			tt.spoil(p, &c)
			if _, err := LoadGRUB(t.Context(), c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}
