// Package initrd makes the first root of a machine, which finds, checks and
// mounts the image's own (see docs/internals-boot.md).
//
// It is made of files of the base, picked without unpacking it, and of units
// and scripts of ours. Nothing is run, so that the bytes follow from the base
// alone.
package initrd

import (
	"embed"
	"fmt"
	"io"

	"github.com/ingot-k8s/ingot/builder/boot/basefs"
	"github.com/klauspost/compress/zstd"
)

// own has the files of ours: names and contents as in the initrd.
//
//go:embed all:root
var own embed.FS

// Options say what an initrd has to do.
type Options struct {
	// Network is whether identities may come from a server of the platform, as
	// on DigitalOcean: adds DHCP and drivers of network cards.
	Network bool
}

// Info is what an initrd was made of.
type Info struct {
	Kernel   string // version, as uname -r gives it
	Ignition bool   // whether the base has Ignition, which then provisions
	Files    int
	Unpacked int64 // bytes
}

// Write writes the initrd that goes with a base: an uncompressed tar archive
// of size bytes. The initrd is a cpio archive in format newc, compressed with
// zstd.
func Write(w io.Writer, base io.ReaderAt, size int64, o Options) (*Info, error) {
	t, err := basefs.Read(base, size)
	if err != nil {
		return nil, err
	}
	b := &builder{tree: t, out: archive{}, seen: map[string]bool{}}
	info, err := b.collect(o)
	if err != nil {
		return nil, fmt.Errorf("collecting initrd: %w", err)
	}
	return info, b.write(w, info)
}

// write writes what was collected, and tells how much that is.
func (b *builder) write(w io.Writer, info *Info) error {
	// One goroutine: the same blocks whatever the number of processors.
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("writing initrd: %w", err)
	}
	c := &counter{w: z}
	if err := b.out.write(c); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("writing initrd: %w", err)
	}
	info.Files, info.Unpacked = len(b.out), c.n
	return nil
}

// Kernel returns the kernel of a base and its version.
func Kernel(base io.ReaderAt, size int64) (kernel *io.SectionReader, version string, err error) {
	t, err := basefs.Read(base, size)
	if err != nil {
		return nil, "", err
	}
	m, err := readModules(t)
	if err != nil {
		return nil, "", err
	}
	kernel, err = t.Open("/boot/vmlinuz-" + m.version)
	return kernel, m.version, err
}
