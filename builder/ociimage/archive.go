package ociimage

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The annotations that name an image in an archive: containerd's own, and the
// one of the specification, which other programs read.
const (
	annotationName = "io.containerd.image.name"
	annotationRef  = "org.opencontainers.image.ref.name"
)

// layoutFile marks an image layout and says its version.
const layoutFile = `{"imageLayoutVersion":"1.0.0"}`

// WriteArchive writes images as one OCI archive. The same images give the same
// bytes, in whatever order they come: no times, no owners, parts that several
// have are there once. Every part is compared with its digest on the way.
func WriteArchive(w io.Writer, images []Image) error {
	index, err := archiveIndex(images)
	if err != nil {
		return fmt.Errorf("writing image archive: %w", err)
	}
	blobs := map[string]Blob{}
	for _, image := range images {
		for _, b := range image.Blobs {
			blobs[b.SHA256] = b
		}
	}
	files := []archived{{"oci-layout", memory([]byte(layoutFile))}, {"index.json", memory(index)}}
	for _, sum := range slices.Sorted(maps.Keys(blobs)) {
		files = append(files, archived{"blobs/sha256/" + sum, blobs[sum]})
	}
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := f.write(t); err != nil {
			return fmt.Errorf("writing image archive: %s: %w", f.name, err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("writing image archive: %w", err)
	}
	return nil
}

// archiveIndex is the list of an archive's images: one entry for each name.
func archiveIndex(images []Image) ([]byte, error) {
	named := map[string]v1.Descriptor{}
	for _, image := range images {
		for _, name := range image.Names {
			if other, is := named[name]; is && other.Digest != image.Target.Digest {
				return nil, fmt.Errorf("%q would name two images, %s and %s", name, other.Digest, image.Target.Digest)
			}
			target := image.Target
			target.Annotations = map[string]string{annotationName: name, annotationRef: name}
			named[name] = target
		}
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, name := range slices.SortedFunc(maps.Keys(named), strings.Compare) {
		index.Manifests = append(index.Manifests, named[name])
	}
	return json.Marshal(index)
}

// archived is one file of an archive.
type archived struct {
	name string
	Blob
}

func (f *archived) write(t *tar.Writer) error {
	err := t.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: f.Size, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	if err != nil {
		return err
	}
	in, err := f.open()
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(t, h), io.LimitReader(in, f.Size))
	if cerr := in.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("its content has changed")
	}
	return nil
}

// Size is how many bytes an archive of the images has.
func Size(images []Image) (int64, error) {
	var n counter
	small := slices.Clone(images)
	for i := range small {
		small[i].Blobs = nil
	}
	if err := WriteArchive(&n, small); err != nil {
		return 0, err
	}
	seen := map[string]bool{}
	for _, image := range images {
		for _, b := range image.Blobs {
			if !seen[b.SHA256] {
				seen[b.SHA256] = true
				n += 512 + counter((b.Size+511)&^511) // a header, and whole blocks
			}
		}
	}
	return int64(n), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
