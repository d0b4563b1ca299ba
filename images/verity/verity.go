// Package verity writes the hash trees by which dm-verity checks a read-only
// file system: every block of it, when it is read, against a root hash that is
// known from elsewhere.
//
// The bytes are those of "veritysetup format" with the same salt and UUID: hash
// type 1, SHA-256, blocks of 4096 bytes for data and hashes, and a superblock.
// The format is described in the kernel's
// Documentation/admin-guide/device-mapper/verity.rst; the superblock in
// cryptsetup's lib/verity/verity.c.
package verity

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ingot-k8s/ingot/images/internal/ordered"
)

const (
	// BlockSize is that of data and of hashes, in bytes.
	BlockSize = 4096
	// MaxSalt is the most that a salt may have, in bytes.
	MaxSalt = 256

	perBlock = BlockSize / sha256.Size // digests in a block of hashes
	chunk    = 1 << 20                 // data that is hashed at once, in bytes
)

// Options are what makes the tree differ for the same data.
type Options struct {
	// Salt is put before every block that is hashed. It may be empty.
	Salt []byte
	// UUID names the tree, in the order of its text form.
	UUID [16]byte
}

// Size returns the size in bytes of the tree for size bytes of data.
func Size(size int64) int64 {
	blocks := int64(1) // the superblock
	for n := size / BlockSize; n > 1; {
		n = (n + perBlock - 1) / perBlock
		blocks += n
	}
	return blocks * BlockSize
}

// Write writes the tree for the data, which has size bytes, a positive multiple
// of BlockSize, and returns the root hash. The data is read once, in parallel.
// The tree is held in memory: a 127th of the data.
func Write(ctx context.Context, w io.Writer, data io.ReaderAt, size int64, opts Options) (root [sha256.Size]byte, err error) {
	if size <= 0 || size%BlockSize != 0 {
		return root, fmt.Errorf("writing a hash tree: data of %d bytes: must be a positive multiple of %d", size, BlockSize)
	}
	if len(opts.Salt) > MaxSalt {
		return root, fmt.Errorf("writing a hash tree: salt of %d bytes: at most %d", len(opts.Salt), MaxSalt)
	}
	level, err := hashData(ctx, data, size, opts.Salt)
	if err != nil {
		return root, fmt.Errorf("writing a hash tree: %w", err)
	}
	var levels [][]byte // from the data up
	hasher := newHasher(opts.Salt)
	for len(level) > sha256.Size {
		level = pad(level)
		levels = append(levels, level)
		above := make([]byte, 0, len(level)/perBlock)
		for block := level; len(block) > 0; block = block[BlockSize:] {
			above = hasher.append(above, block[:BlockSize])
		}
		level = above
	}
	if err := writeTree(w, superblock(size, opts), levels); err != nil {
		return root, fmt.Errorf("writing a hash tree: %w", err)
	}
	return [sha256.Size]byte(level), nil
}

// writeTree writes the levels from the root down.
func writeTree(w io.Writer, head []byte, levels [][]byte) error {
	parts := [][]byte{pad(head)}
	for i := len(levels) - 1; i >= 0; i-- {
		parts = append(parts, levels[i])
	}
	for _, p := range parts {
		n, err := w.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pad appends zeros up to the next block.
func pad(b []byte) []byte {
	return append(b, make([]byte, -len(b)&(BlockSize-1))...)
}

// hashData returns the digests of all blocks of the data.
func hashData(ctx context.Context, data io.ReaderAt, size int64, salt []byte) ([]byte, error) {
	type slot struct{ buf, digests []byte }
	all := make([]byte, 0, size/BlockSize*sha256.Size)
	err := ordered.Run(ctx, offsets(size), ordered.Work[int64, *hasher, *slot]{
		Worker: func() *hasher { return newHasher(salt) },
		Slot:   func() *slot { return &slot{buf: make([]byte, chunk)} },
		Do: func(h *hasher, s *slot, off int64) error {
			buf := s.buf[:min(chunk, size-off)]
			if n, err := data.ReadAt(buf, off); n < len(buf) {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return fmt.Errorf("reading the data at %d: %w", off, err)
			}
			s.digests = s.digests[:0]
			for ; len(buf) > 0; buf = buf[BlockSize:] {
				s.digests = h.append(s.digests, buf[:BlockSize])
			}
			return nil
		},
		Emit: func(s *slot, _ int64) error {
			all = append(all, s.digests...)
			return nil
		},
	})
	return all, err
}

// offsets lists where the chunks of the data begin.
func offsets(size int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for off := int64(0); off < size && yield(off); off += chunk {
		}
	}
}

// superblockSize is in bytes.
const superblockSize = 512

// superblock describes the tree.
func superblock(size int64, opts Options) []byte {
	b := make([]byte, 0, superblockSize)
	b = append(b, "verity\x00\x00"...)
	b = binary.LittleEndian.AppendUint32(b, 1) // version of the superblock
	b = binary.LittleEndian.AppendUint32(b, 1) // hash type: the salt comes first
	b = append(b, opts.UUID[:]...)
	b = append(b, "sha256"...)
	b = b[:64] // the name has 32 bytes
	b = binary.LittleEndian.AppendUint32(b, BlockSize)
	b = binary.LittleEndian.AppendUint32(b, BlockSize)
	b = binary.LittleEndian.AppendUint64(b, uint64(size/BlockSize))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(opts.Salt)))
	b = append(b, make([]byte, 6)...)
	b = append(b, opts.Salt...)
	return b[:superblockSize]
}
