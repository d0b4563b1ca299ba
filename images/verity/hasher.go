package verity

import (
	"crypto/sha256"
	"hash"
)

// hasher hashes blocks after a salt.
type hasher struct {
	salt []byte
	sum  hash.Hash
}

func newHasher(salt []byte) *hasher { return &hasher{salt, sha256.New()} }

// append appends the digest of a block.
func (h *hasher) append(digests, block []byte) []byte {
	h.sum.Reset()
	h.sum.Write(h.salt) // never fails, as Write says
	h.sum.Write(block)
	return h.sum.Sum(digests)
}
