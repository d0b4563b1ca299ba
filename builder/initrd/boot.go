package initrd

import (
	"embed"
	"fmt"
	"io"
	"path"

	"github.com/ingot-k8s/ingot/builder/boot/basefs"
)

// forBoot has the files of ours that a boot medium needs.
//
//go:embed all:boot
var forBoot embed.FS

// bootUnits are those of them that the boot goes through, with the units that
// cannot do without.
var bootUnits = map[string][]string{
	"ingot-boot.service":      {"ingot-root.service", "initrd.target"},
	"ingot-boot-done.service": {"initrd.target"},
}

// BootOptions say what the initrd of a boot medium has to do.
type BootOptions struct {
	Options        // of the initrd that it is loaded with
	Program []byte // ingot-node
	Rescue  bool   // whether a person may get a shell, which then has programs
}

// BootProgram is where the initrd of a boot medium has ingot-node.
const BootProgram = "/usr/bin/ingot-node"

// WriteBoot writes what an initrd needs to start from a boot medium and does not
// have: an initrd that is loaded after that of Write, of the same base. Linux
// unpacks one over the other. Network is always among it, for media that come
// over one.
func WriteBoot(w io.Writer, base io.ReaderAt, size int64, o BootOptions) (*Info, error) {
	t, err := basefs.Read(base, size)
	if err != nil {
		return nil, err
	}
	b := &builder{tree: t, out: archive{}, seen: map[string]bool{}}
	info, err := b.collect(o.Options)
	if err == nil {
		// What is there is not asked for again.
		b.out = archive{}
		err = b.collectBoot(o)
	}
	if err != nil {
		return nil, fmt.Errorf("collecting initrd of the boot medium: %w", err)
	}
	return info, b.write(w, info)
}

func (b *builder) collectBoot(o BootOptions) error {
	paths := append([]string(nil), forNetwork...)
	if o.Rescue {
		for _, name := range forRescue {
			if b.tree.Has(name) {
				paths = append(paths, name)
			}
		}
	}
	for _, name := range paths {
		if err := b.add(name); err != nil {
			return err
		}
	}
	if _, err := b.modules(netModules); err != nil {
		return err
	}
	b.file(basefs.Clean(BootProgram), 0o755, o.Program)
	if err := b.copyOwn(forBoot, "boot", func(string) bool { return true }); err != nil {
		return err
	}
	for unit, needed := range bootUnits {
		for _, by := range needed {
			b.link(path.Join("usr/lib/systemd/system", by+".requires", unit), "../"+unit)
		}
	}
	return b.copyOwn(own, "root", func(name string) bool { return !o.Network && isNetwork(name) })
}
