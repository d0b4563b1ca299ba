package boot

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/boot/basefs"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// GRUB is the boot loaders.
type GRUB struct {
	Boot []byte // boot.img for i386-pc
	Core []byte // core.img for i386-pc, which reads its config from the ESP of the disk it is on
	CD   []byte // eltorito.img for i386-pc, which reads its config from the CD it is on

	Shim []byte // for UEFI; signed, so that machines with Secure Boot take it
	EFI  []byte // GRUB for UEFI; signed, too
	MOK  []byte // for owners' own keys; signed, too
}

// GRUBConfig says what boot loaders are taken from.
type GRUBConfig struct {
	// Packages are package files: those of lock.BootPackages, of one release.
	Packages []string
	// Base is the base, whose libraries the packages' programs run with; an
	// uncompressed archive of Size bytes.
	Base   io.ReaderAt
	Size   int64
	Runner run.Runner
	// TmpDir is a folder whose programs may be run; empty means the system's own.
	TmpDir string
	Path   string // of the caller's environment, to find dpkg-deb
}

// Where the packages have what boot loaders are made of.
const (
	mkimage  = "usr/bin/grub-mkimage"
	biosDir  = "usr/lib/grub/i386-pc/"
	bootFile = biosDir + "boot.img"
	shimFile = "usr/lib/shim/shimx64.efi.signed"
	mokFile  = "usr/lib/shim/mmx64.efi.signed"
	grubFile = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
	loader   = "lib64/ld-linux-x86-64.so.2" // what runs programs of the base
)

// menuModules are what GRUB needs for its config.
var menuModules = []string{"normal", "configfile", "linux", "echo", "serial", "terminal", "test", "minicmd", "reboot", "halt"}

// target is an image of GRUB for BIOS. Its prefix has no disk in it: it is the
// one that the BIOS has started.
type target struct {
	format, prefix string
	modules        []string // that read the disk
}

var (
	onDisk = target{"i386-pc", "(,gpt2)/" + grubPrefix, []string{"biosdisk", "part_gpt", "fat"}}
	onCD   = target{"i386-pc-eltorito", "/" + grubPrefix, []string{"biosdisk", "iso9660"}}
)

// LoadGRUB takes the boot loaders from Debian's packages. Nothing of this machine
// decides about their bytes: the program that makes the image for BIOS is the
// packages' own, run with the libraries of the base.
func LoadGRUB(ctx context.Context, c GRUBConfig) (*GRUB, error) {
	files := map[string][]byte{}
	for _, name := range c.Packages {
		if err := c.unpack(ctx, name, files); err != nil {
			return nil, fmt.Errorf("reading boot loaders: %q: %w", filepath.Base(name), err)
		}
	}
	g := &GRUB{}
	for name, to := range map[string]*[]byte{bootFile: &g.Boot, shimFile: &g.Shim, mokFile: &g.MOK, grubFile: &g.EFI} {
		if *to = files[name]; len(*to) == 0 {
			return nil, fmt.Errorf("reading boot loaders: no package has /%s", name)
		}
	}
	if err := c.cores(ctx, files, g); err != nil {
		return nil, fmt.Errorf("making boot loader: %w", err)
	}
	return g, nil
}

// wanted is whether a file of a package is used.
func wanted(name string) bool {
	return name == mkimage || name == shimFile || name == mokFile || name == grubFile || path.Dir(name)+"/" == biosDir
}

// unpack reads what is used of a package into files, by paths without a leading
// slash.
func (c *GRUBConfig) unpack(ctx context.Context, name string, files map[string][]byte) error {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := c.Runner.Run(ctx, run.Command{Argv: []string{"dpkg-deb", "--fsys-tarfile", name}, Env: []string{"PATH=" + c.Path, "LC_ALL=C.UTF-8"}, Stdout: w})
		_ = w.CloseWithError(err) // never fails
		done <- err
	}()
	err := collect(r, files)
	_ = r.CloseWithError(err) // never fails; the program ends when nobody reads
	return errors.Join(<-done, err)
}

// collect reads what is used of an archive.
func collect(r io.Reader, files map[string][]byte) error {
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r) // what fills its last block
			return err
		}
		if err != nil {
			return err
		}
		if clean := basefs.Clean(h.Name); h.Typeflag == tar.TypeReg && wanted(clean) {
			if files[clean], err = io.ReadAll(archive); err != nil {
				return err
			}
		}
	}
}

// cores makes the images for BIOS.
func (c *GRUBConfig) cores(ctx context.Context, files map[string][]byte, g *GRUB) error {
	dir, err := os.MkdirTemp(c.TmpDir, "ingot-grub-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // copies only
	base, err := basefs.Read(c.Base, c.Size)
	if err != nil {
		return err
	}
	for name, data := range files {
		if name == mkimage || strings.HasPrefix(name, biosDir) {
			if err := atomicfile.WriteNoSync(filepath.Join(dir, path.Base(name)), data, 0o755); err != nil {
				return err
			}
		}
	}
	program, ok := files[mkimage]
	if !ok {
		return fmt.Errorf("no package has /%s", mkimage)
	}
	if err := copyLibraries(base, dir, mkimage, program); err != nil {
		return err
	}
	if g.Core, err = c.core(ctx, dir, onDisk); err != nil {
		return err
	}
	g.CD, err = c.core(ctx, dir, onCD)
	return err
}

// core makes an image by the programs in a folder.
func (c *GRUBConfig) core(ctx context.Context, dir string, t target) ([]byte, error) {
	out := filepath.Join(dir, t.format+".img")
	argv := []string{
		filepath.Join(dir, path.Base(loader)), "--library-path", dir, filepath.Join(dir, path.Base(mkimage)),
		"-O", t.format, "-d", dir, "-p", t.prefix, "-o", out,
	}
	err := c.Runner.Run(ctx, run.Command{Argv: slices.Concat(argv, t.modules, menuModules), Env: []string{"LC_ALL=C.UTF-8"}})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// copyLibraries copies what a program of the base's release needs into a folder.
func copyLibraries(base *basefs.FS, dir, name string, program []byte) error {
	todo, err := base.Libraries(name, bytes.NewReader(program))
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for len(todo) > 0 {
		library := todo[0]
		todo = todo[1:]
		if done[library] {
			continue
		}
		done[library] = true
		data, err := base.ReadFile(library)
		if err != nil {
			return err
		}
		if err := atomicfile.WriteNoSync(filepath.Join(dir, path.Base(library)), data, 0o755); err != nil {
			return err
		}
		more, err := base.Libraries(library, bytes.NewReader(data))
		if err != nil {
			return err
		}
		todo = append(todo, more...)
	}
	return nil
}
