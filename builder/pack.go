package builder

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/builder/boot"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Names of the files of a packed tree.
const (
	dataFile   = "data.squashfs"
	hashesFile = "data.verity"
	hashFile   = "data.roothash" // in hexadecimal
	indexFile  = "index.json"
)

// pack writes a tree, its tree of hashes, its root hash and its index into a
// folder. What goes into the tree also goes through gate, which looks for
// what must not be in an image.
func (b *bake) pack(ctx context.Context, dir string, o tree.SquashOptions, gate *gate, write func(w io.Writer) (*tree.Index, error)) (*tree.Index, boot.Hash, error) {
	var none boot.Hash
	data := filepath.Join(dir, dataFile)
	var index *tree.Index
	o.Unprivileged = !b.Root
	err := tree.Squash(ctx, b.Runner, data, o, func(w io.Writer) (err error) {
		index, err = write(io.MultiWriter(w, gate))
		return gate.end(err)
	})
	if err != nil {
		return nil, none, err
	}
	hash, err := writeHashes(ctx, data, filepath.Join(dir, hashesFile))
	if err != nil {
		return nil, none, err
	}
	if err := atomicfile.WriteNoSync(filepath.Join(dir, hashFile), []byte(hash.String()), 0o644); err != nil {
		return nil, none, err
	}
	f, err := atomicfile.CreateNoSync(filepath.Join(dir, indexFile), 0o644)
	if err != nil {
		return nil, none, err
	}
	defer func() { _ = f.Close() }() // does nothing after Commit
	if err := index.Write(f); err != nil {
		return nil, none, err
	}
	return index, hash, f.Commit()
}

// writeHashes writes the tree of hashes of a file system.
func writeHashes(ctx context.Context, data, file string) (boot.Hash, error) {
	in, err := os.Open(data)
	if err != nil {
		return boot.Hash{}, fmt.Errorf("making tree of hashes: %w", err)
	}
	defer func() { _ = in.Close() }() // nothing was written
	info, err := in.Stat()
	if err != nil {
		return boot.Hash{}, fmt.Errorf("making tree of hashes: %w", err)
	}
	out, err := atomicfile.CreateNoSync(file, 0o644)
	if err != nil {
		return boot.Hash{}, err
	}
	defer func() { _ = out.Close() }() // does nothing after Commit
	hash, err := boot.WriteTree(ctx, out, in, info.Size())
	if err != nil {
		return boot.Hash{}, err
	}
	return hash, out.Commit()
}
