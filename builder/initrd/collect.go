package initrd

import (
	"archive/tar"
	"bytes"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/ingot-k8s/ingot/builder/boot/basefs"
)

// builder collects the files of an initrd.
type builder struct {
	tree *basefs.FS
	out  archive
	seen map[string]bool // paths that were asked for
}

func (b *builder) collect(o Options) (*Info, error) {
	info := &Info{Ignition: b.tree.Has(ignitionEngine)}
	paths := append([]string(nil), required...)
	for _, unit := range units {
		paths = append(paths, "/usr/lib/systemd/system/"+unit)
	}
	if info.Ignition {
		paths = append(paths, forIgnition...)
	}
	drivers := mayModules
	if o.Network {
		paths = append(paths, forNetwork...)
		drivers = append(append([]string(nil), drivers...), netModules...)
	}
	for _, name := range optional {
		if b.tree.Has(name) {
			paths = append(paths, name)
		}
	}
	for _, name := range paths {
		if err := b.add(name); err != nil {
			return nil, err
		}
	}
	var err error
	if info.Kernel, err = b.modules(drivers); err != nil {
		return nil, err
	}
	for target, names := range wants {
		for _, name := range names {
			b.link("usr/lib/systemd/system/"+target+".wants/"+name, "../"+name)
		}
	}
	if info.Ignition {
		if err := b.place(ignitionEngine, "usr/bin/ignition"); err != nil {
			return nil, err
		}
	}
	b.skeleton()
	return info, b.ours(info, o)
}

// skeleton adds what Linux and systemd expect of any root.
func (b *builder) skeleton() {
	for _, dir := range []string{"dev", "proc", "run", "sys", "sysroot", "tmp", "var/tmp", "root"} {
		b.dir(dir)
	}
	b.link("init", "usr/lib/systemd/systemd")
	b.link("var/run", "../run")
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		b.link(dir, "usr/"+dir)
	}
	b.link("usr/lib/systemd/system/default.target", "initrd.target")
	b.link("etc/initrd-release", "os-release")
}

// ours adds the files of ours, those for Ignition and the network only where
// they have a use.
func (b *builder) ours(info *Info, o Options) error {
	return b.copyOwn(own, "root", func(name string) bool {
		return (info.Ignition || !strings.Contains(name, "provision")) && (o.Network || !isNetwork(name))
	})
}

// isNetwork is whether a file of ours has a use only with a network.
func isNetwork(name string) bool { return strings.Contains(name, ".network") }

// copyOwn adds files of ours: those below a folder that are wanted.
func (b *builder) copyOwn(files embed.FS, root string, want func(name string) bool) error {
	return fs.WalkDir(files, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		to := strings.TrimPrefix(name, root+"/")
		if !want(to) {
			return nil
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		mode := uint32(0o644)
		if bytes.HasPrefix(data, []byte("#!")) {
			mode = 0o755
		}
		b.file(to, mode, data)
		if how := initrdUnits[path.Base(to)]; how != "" {
			b.link("usr/lib/systemd/system/initrd.target."+how+"/"+path.Base(to), "../"+path.Base(to))
		}
		return nil
	})
}

// modules adds the modules of the kernel and what finds them.
func (b *builder) modules(drivers []string) (version string, err error) {
	m, err := readModules(b.tree)
	if err != nil {
		return "", err
	}
	files, err := m.closure(mustModules, drivers)
	if err != nil {
		return "", err
	}
	for _, file := range b.tree.List(m.dir) {
		if strings.HasPrefix(file, "modules.") && (strings.HasSuffix(file, ".bin") || file == "modules.softdep" || file == "modules.weakdep") {
			files = append(files, file)
		}
	}
	for _, file := range files {
		if err := b.add(path.Join(m.dir, file)); err != nil {
			return "", err
		}
	}
	return m.version, nil
}

// add adds a path of the base, the links it leads through, and what a program
// needs.
func (b *builder) add(name string) error {
	folder := strings.HasSuffix(name, "/")
	name = basefs.Clean(name)
	if b.seen[name] {
		return nil
	}
	b.seen[name] = true
	real, links, err := b.tree.Resolve(name)
	if err != nil {
		return err
	}
	for _, link := range links {
		e, _ := b.tree.Lookup(link)
		b.link(link, e.Link)
	}
	e, _ := b.tree.Lookup(real)
	switch {
	case e.Type == tar.TypeReg:
		return b.place(real, real)
	case folder:
		b.dir(real)
		for _, file := range b.tree.List(real) {
			if err := b.add(path.Join(real, file)); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("%q of the base is no regular file", "/"+real)
	}
}

// place adds a regular file of the base under a name.
func (b *builder) place(from, to string) error {
	r, err := b.tree.Open(from)
	if err != nil {
		return err
	}
	real, _, err := b.tree.Resolve(from)
	if err != nil {
		return err
	}
	e, _ := b.tree.Lookup(real)
	b.parents(to)
	b.out[to] = node{
		mode: modeFile | e.Mode&0o755, size: r.Size(),
		open: func() (io.Reader, error) { return b.tree.Open(from) },
	}
	needed, err := b.tree.Libraries(real, r)
	if err != nil {
		return fmt.Errorf("looking for what %q needs: %w", "/"+real, err)
	}
	for _, library := range needed {
		if err := b.add(library); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) dir(name string) {
	b.parents(name)
	b.out[name] = node{mode: modeDir | 0o755}
}

func (b *builder) link(name, target string) { b.content(name, modeLink|0o777, []byte(target)) }

func (b *builder) file(name string, mode uint32, data []byte) { b.content(name, modeFile|mode, data) }

func (b *builder) content(name string, mode uint32, data []byte) {
	b.parents(name)
	b.out[name] = node{mode: mode, size: int64(len(data)), open: func() (io.Reader, error) { return bytes.NewReader(data), nil }}
}

// parents adds the folders above a path.
func (b *builder) parents(name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := b.out[dir]; !ok {
			b.out[dir] = node{mode: modeDir | 0o755}
		}
	}
}
