package boot

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
	"github.com/ingot-k8s/ingot/images/verity"
)

// Hash is the root hash of a verified file system.
type Hash [32]byte

// String is in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// data and tree are the GUIDs of the partitions: by the Discoverable Partitions
// Specification, the first and the last half of the root hash.
func (h Hash) data() gpt.GUID { return gpt.GUID(h[:16]) }
func (h Hash) tree() gpt.GUID { return gpt.GUID(h[16:]) }

// FileSystem is a squashfs and the tree of hashes that verifies it.
type FileSystem struct {
	Data images.Source // a multiple of verity.BlockSize
	Tree images.Source // as WriteTree made it
	Hash Hash
}

// WriteTree writes the tree of hashes of a file system of size bytes and
// returns its root hash. The same data give the same tree.
func WriteTree(ctx context.Context, w io.Writer, data io.ReaderAt, size int64) (Hash, error) {
	// A fixed salt keeps tables that were computed for nothing from being of
	// use, and lets equal blocks of two images have equal hashes.
	salt := gpt.Derive([]byte("ingot"), "verity salt")
	root, err := verity.Write(ctx, w, data, size, verity.Options{Salt: salt[:], UUID: gpt.Derive([]byte("ingot"), "verity tree")})
	if err != nil {
		return Hash{}, fmt.Errorf("making tree of hashes: %w", err)
	}
	return root, nil
}
