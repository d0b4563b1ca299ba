package builder

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/builder/boot"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// loaders are the files that boot loaders are kept in.
func loaders(g *boot.GRUB) map[string]*[]byte {
	return map[string]*[]byte{
		"boot.img": &g.Boot, "core.img": &g.Core, "eltorito.img": &g.CD, "shimx64.efi": &g.Shim, "grubx64.efi": &g.EFI, "mmx64.efi": &g.MOK,
	}
}

// grub takes the boot loaders from their locked packages.
func (b *bake) grub(ctx context.Context, base io.ReaderAt, size int64, dir string) error {
	if err := b.fetch(ctx, "boot loaders", b.Lock.Debian.Boot); err != nil {
		return err
	}
	var packages []string
	for _, p := range b.Lock.Debian.Boot {
		packages = append(packages, b.Store.Cache.Path(p.SHA256))
	}
	g, err := boot.LoadGRUB(ctx, boot.GRUBConfig{Packages: packages, Base: base, Size: size, Runner: b.Runner, Path: b.path})
	if err != nil {
		return err
	}
	for name, data := range loaders(g) {
		if err := atomicfile.WriteNoSync(filepath.Join(dir, name), *data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// readGRUB reads what grub has written.
func readGRUB(r *step.Result) (*boot.GRUB, error) {
	g := &boot.GRUB{}
	for name, to := range loaders(g) {
		data, err := os.ReadFile(r.Path(name))
		if err != nil {
			return nil, fmt.Errorf("reading boot loaders: %w", err)
		}
		*to = data
	}
	return g, nil
}
