// Package ociimage makes the container images that are baked into a machine's
// image: the one that holds pods open, and those that the definition names by
// digest. They are written as OCI archives (Open Container Initiative, Image
// Layout Specification 1.1, in a tar file), which "ctr images import" takes
// without a network.
package ociimage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is a container image for linux/amd64.
type Image struct {
	Names  []string      // in full, such as registry.example.com/app:1; the same image under each
	Target v1.Descriptor // what the names stand for: a manifest, or an index of several
	Blobs  []Blob        // Target and all of it that linux/amd64 needs
}

// Blob is one content-addressed part of an image.
type Blob struct {
	SHA256 string // hexadecimal
	Size   int64  // bytes

	open func() (io.ReadCloser, error)
}

// memory is a blob of a few bytes.
func memory(data []byte) Blob {
	sum := sha256.Sum256(data)
	return Blob{
		SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data)),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// descriptor names a blob in a manifest or index.
func (b Blob) descriptor(mediaType types.MediaType) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Size: b.Size, Digest: v1.Hash{Algorithm: "sha256", Hex: b.SHA256}}
}
