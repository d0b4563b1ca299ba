package builder

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/ingot-k8s/ingot/builder/boot"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/images"
	"golang.org/x/sync/errgroup"
)

// sealed is an image that is ready to be written.
type sealed struct {
	disk          *images.Disk
	parts         boot.Parts    // that it is composed of
	bootInitrd    images.Source // for a boot ISO
	kernel        string        // line
	root, cluster *fileSystem
	bill          *step.Result
	partitions    []Partition

	open []*os.File
	done []func()
}

// release closes what the disk is read from.
func (s *sealed) release() {
	for _, f := range s.open {
		_ = f.Close() // nothing was written
	}
	for _, f := range s.done {
		f()
	}
}

// fileSystem is a squashfs with its tree of hashes, and what is in it.
type fileSystem struct {
	parts boot.FileSystem
	tree  Tree
	index *tree.Index
}

// seal makes or finds everything that the disk is composed of.
func (b *bake) seal(ctx context.Context) (*sealed, error) {
	s := &sealed{}
	if err := b.fill(ctx, s); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (b *bake) fill(ctx context.Context, s *sealed) error {
	p, err := b.plan()
	if err != nil {
		return err
	}
	if err := b.hidden(); err != nil {
		return err
	}
	// The first step that fails ends the others, whoever waits for them.
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	b.stop = stop
	b.base = sync.OnceValues(func() (*step.Result, error) { return b.makeTree(work, p) })
	for i := range p.programs {
		program := &p.programs[i]
		program.make = sync.OnceValues(func() (*step.Result, error) { return b.makeProgram(work, *program) })
	}
	var root, start, medium *step.Result
	group, gctx := errgroup.WithContext(work)
	group.Go(func() (err error) {
		root, err = b.root(gctx, p)
		return err
	})
	group.Go(func() (err error) {
		start, err = b.start(gctx, p)
		return err
	})
	if b.medium {
		group.Go(func() (err error) {
			medium, err = b.makeBootInitrd(gctx, p)
			return err
		})
	}
	group.Go(func() (err error) {
		s.bill, err = b.bill(gctx, p)
		return err
	})
	if err := group.Wait(); err != nil {
		if first := context.Cause(work); first != nil && ctx.Err() == nil {
			return first
		}
		return err
	}
	if s.root, err = s.openRoot(root); err != nil {
		return err
	}
	if err := b.cluster(ctx, s, p); err != nil {
		return err
	}
	if medium != nil {
		if s.bootInitrd, err = s.source(medium.Path(bootInitrdFile)); err != nil {
			return err
		}
	}
	return b.compose(s, start)
}

// openRoot opens the file system that a step has made.
func (s *sealed) openRoot(r *step.Result) (*fileSystem, error) {
	text, err := os.ReadFile(r.Path(hashFile))
	if err != nil {
		return nil, fmt.Errorf("reading root hash: %w", err)
	}
	out := &fileSystem{}
	if n, err := hex.Decode(out.parts.Hash[:], text); err != nil || n != len(out.parts.Hash) {
		return nil, fmt.Errorf("reading root hash: %q is none", text)
	}
	if out.parts.Data, err = s.source(r.Path(dataFile)); err != nil {
		return nil, err
	}
	if out.parts.Tree, err = s.source(r.Path(hashesFile)); err != nil {
		return nil, err
	}
	index, err := os.Open(r.Path(indexFile))
	if err != nil {
		return nil, fmt.Errorf("reading index: %w", err)
	}
	defer func() { _ = index.Close() }() // nothing was written
	if out.index, err = tree.ReadIndex(index); err != nil {
		return nil, err
	}
	f, _ := r.File(dataFile)
	out.tree = Tree{Label: boot.LabelRoot, RootHash: out.parts.Hash.String(), SHA256: f.SHA256, Size: f.Size}
	return out, nil
}

// source opens a file that is read until release.
func (s *sealed) source(path string) (images.Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a step's file: %w", err)
	}
	s.open = append(s.open, f)
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading a step's file: %w", err)
	}
	return images.Plain(f, info.Size()), nil
}

// compose puts the disk together.
func (b *bake) compose(s *sealed, start *step.Result) error {
	kernel, err := s.source(start.Path(kernelFile))
	if err != nil {
		return err
	}
	initrd, err := s.source(start.Path(initrdFile))
	if err != nil {
		return err
	}
	grub, err := readGRUB(start)
	if err != nil {
		return err
	}
	args := b.Cluster.Def.System.KernelArgs
	line, err := boot.KernelLine(s.root.parts.Hash, s.cluster.parts.Hash, args)
	if err != nil {
		return err
	}
	s.kernel = strings.Join(line, " ")
	s.parts = boot.Parts{
		GRUB: grub, Kernel: kernel, Initrd: initrd, Root: s.root.parts, Cluster: s.cluster.parts, KernelArgs: args,
	}
	disk, table, err := boot.Disk(s.parts)
	if err != nil {
		return err
	}
	s.disk = disk
	for i, e := range table.Entries {
		s.partitions = append(s.partitions, Partition{
			Number: i + 1, Label: e.Label, Type: e.Type.String(), GUID: e.GUID.String(), Offset: e.Offset(), Size: e.Size(),
		})
	}
	return nil
}
