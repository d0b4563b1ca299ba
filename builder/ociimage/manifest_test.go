package ociimage

import (
	"strings"
	"testing"
)

// FuzzManifest reads what a registry may send.
func FuzzManifest(f *testing.F) {
	digest := "sha256:" + strings.Repeat("a", 64)
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":` +
		`"application/vnd.oci.image.config.v1+json","size":2,"digest":"` + digest + `"},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":-1,"digest":"` + digest + `"}]}`))
	f.Add([]byte(`{"manifests":[{"platform":{"os":"linux","architecture":"amd64"},"mediaType":"application/vnd.oci.image.manifest.v1+json","size":9,"digest":"` + digest + `"}]}`))
	f.Add([]byte(`{"manifests":[{"platform":null}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		mediaType, err := kind(data)
		if err == nil && mediaType.IsIndex() == mediaType.IsImage() {
			t.Errorf("%q is taken", mediaType)
		}
		if d, err := choose(data); err == nil && (len(d.Digest.Hex) != 64 || d.Size < 0 || d.Size > maxManifest) {
			t.Errorf("chosen: %+v", d)
		}
		list, err := parts(data)
		if err != nil {
			return
		}
		for _, d := range list {
			if len(d.Digest.Hex) != 64 || strings.Trim(d.Digest.Hex, "0123456789abcdef") != "" || d.Size < 0 || d.Size > maxBlob {
				t.Errorf("a part: %+v", d)
			}
		}
		_ = fits(data) // must not panic
	})
}
