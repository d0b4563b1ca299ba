package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/builder/boot"
	"github.com/ingot-k8s/ingot/builder/initrd"
	"github.com/ingot-k8s/ingot/builder/preflight"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// bootInitrdFile is the name of the second initrd in its step.
const bootInitrdFile = "boot.initrd"

// isoSuffix is that of boot ISOs. They are no Format: nothing is converted to
// one, and one with an identity is no image of the cluster.
const isoSuffix = ".iso"

// BootISOOptions say what boot ISO is written.
type BootISOOptions struct {
	Path string // whose folder has to exist; empty means a name in the folder of images
	// Config is the config ISO of a node, which then rides on the boot ISO: the
	// file is its owner's alone. Nil for none.
	Config []byte
}

// BootISO is a boot ISO that was made.
type BootISO struct {
	Path    string `json:"path"`
	Cluster string `json:"cluster"`
	ID      string `json:"id"` // of the image
	SHA256  string `json:"sha256"`
	Size    int64  `json:"bytes"`
	Disk    struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"bytes"`
	} `json:"disk"` // the image in it, which is that of the format raw
}

// WriteBootISO bakes what is missing of an image and writes it as a boot ISO:
// the image's own bytes, and around them what starts them from a CD or a USB
// stick. Formats is not used.
func WriteBootISO(ctx context.Context, cfg Config, o BootISOOptions) (*BootISO, error) {
	b := newBake(cfg)
	b.medium = true
	s, err := b.seal(ctx)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if err := preflight.Disk(b.Cluster, virtualSize(s.disk)).Err(); err != nil {
		return nil, err
	}
	out, mode := &BootISO{Cluster: b.Cluster.Def.Name, ID: b.id, Path: o.Path}, fs.FileMode(0o644)
	parts := boot.ISOParts{Parts: s.parts, BootInitrd: s.bootInitrd, Date: b.Lock.Date, Rescue: b.rescue()}
	if o.Config != nil {
		mode, parts.Config = 0o600, images.Bytes(o.Config)
	}
	if o.Path == "" {
		out.Path = filepath.Join(b.Dir, b.stem()+isoSuffix)
		if err := os.MkdirAll(b.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of images: %w", err)
		}
	}
	if err := b.describe(ctx, s, out); err != nil {
		return nil, err
	}
	parts.About = boot.About{Cluster: out.Cluster, Image: out.ID, Disk: boot.AboutDisk{Size: out.Disk.Size, SHA256: out.Disk.SHA256}}
	iso, err := boot.ISO(parts)
	if err != nil {
		return nil, err
	}
	return out, b.writeISO(ctx, iso, out, mode)
}

// describe hashes the image.
func (b *bake) describe(ctx context.Context, s *sealed, out *BootISO) error {
	return b.timed("hash image", func(t *task) (err error) {
		out.Disk.Size, t.size = s.disk.Size(), s.disk.Size()
		out.Disk.SHA256, err = sumOf(ctx, s.disk, s.disk.Size())
		return err
	})
}

func (b *bake) writeISO(ctx context.Context, iso images.Source, out *BootISO, mode fs.FileMode) error {
	return b.timed("write boot ISO", func(t *task) error {
		f, err := atomicfile.CreateNoSync(out.Path, mode)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // does nothing after Commit
		w := newSumming(f)
		stats, err := images.WriteRaw(ctx, w, iso, images.RawOptions{Progress: t.advance})
		if err != nil {
			return fmt.Errorf("writing %s: %w", out.Path, err)
		}
		out.Size, t.size = stats.FileSize, stats.FileSize
		if out.SHA256, err = w.SHA256(ctx, out.Size); err != nil {
			return err
		}
		return f.Commit()
	})
}

// rescue is whether a person may have a shell from a boot ISO.
func (b *bake) rescue() bool { return b.Cluster.Def.Boot.Rescue }

// makeBootInitrd makes what the initrd lacks on a boot ISO.
func (b *bake) makeBootInitrd(ctx context.Context, p *plan) (*step.Result, error) {
	return b.step(ctx, p.bootInitrd, func(_ context.Context, _ *task, dir string) error {
		f, err := b.openBase()
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // nothing was written
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("reading base: %w", err)
		}
		out, err := atomicfile.CreateNoSync(filepath.Join(dir, bootInitrdFile), 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = out.Close() }() // does nothing after Commit
		o := initrd.BootOptions{Options: b.initrdOptions(), Program: b.Program, Rescue: b.rescue()}
		if _, err := initrd.WriteBoot(out, f, info.Size(), o); err != nil {
			return err
		}
		return out.Commit()
	})
}

// Identify is the name of the image that a bake would make, without baking
// anything. What it needs of the configuration are cluster, lock, public part of
// the PKI, program, changes and environment.
func Identify(cfg Config) (string, error) {
	b := newBake(cfg)
	if b.Lock == nil || b.Public == nil {
		return "", errors.New("naming the image: there is no lock or no PKI")
	}
	p, err := b.plan()
	if err != nil {
		return "", err
	}
	layers, err := b.layers()
	if err != nil {
		return "", err
	}
	return b.identify(p, layers)
}
