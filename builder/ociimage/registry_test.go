package ociimage

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// testRegistry is a registry on loopback.
type testRegistry struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []string // paths that were read
	replace map[string][]byte
	user    string // asks for this user and the password "secret" where not empty
}

func newRegistry(t *testing.T) *testRegistry {
	t.Helper()
	r := &testRegistry{replace: map[string][]byte{}}
	real := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); r.user != "" && (user != r.user || password != "secret") {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if req.Method == http.MethodGet && req.URL.Path != "/v2/" {
			r.asked = append(r.asked, req.URL.Path)
		}
		if data, is := r.replace[path.Base(req.URL.Path)]; is && req.Method == http.MethodGet {
			_, _ = w.Write(data)
			return
		}
		real.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *testRegistry) host() string { return strings.TrimPrefix(r.URL, "http://") }

// layerOf is a layer with one file of the given text.
func layerOf(t *testing.T, text string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "text", Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer)
}

// image is an image of one layer with the given text.
func image(t *testing.T, text, architecture string) v1.Image {
	t.Helper()
	i, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layerOf(t, text))
	if err != nil {
		t.Fatal(err)
	}
	config, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	if i, err = mutate.ConfigFile(i, config); err != nil {
		t.Fatal(err)
	}
	return i
}

// index has an image for each platform, os/architecture[/variant].
func index(t *testing.T, platforms ...string) v1.ImageIndex {
	t.Helper()
	i := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, s := range platforms {
		p, err := v1.ParsePlatform(s)
		if err != nil {
			t.Fatal(err)
		}
		i = mutate.AppendManifests(i, mutate.IndexAddendum{Add: image(t, "layer of "+s, p.Architecture), Descriptor: v1.Descriptor{Platform: p}})
	}
	return i
}

// push gives the reference by digest of what it has pushed.
func (r *testRegistry) push(t *testing.T, tag string, what remote.Taggable) string {
	t.Helper()
	ref, err := name.ParseReference(r.host() + "/" + tag)
	if err != nil {
		t.Fatal(err)
	}
	switch w := what.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, w)
	case v1.Image:
		err = remote.Write(ref, w)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := what.(interface{ Digest() (v1.Hash, error) }).Digest()
	if err != nil {
		t.Fatal(err)
	}
	r.asked = nil
	return r.host() + "/" + tag + "@" + d.String()
}
