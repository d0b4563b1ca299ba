package ociimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

func newOptions(t *testing.T) Options {
	t.Helper()
	cache, err := fetch.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return Options{Cache: cache, Keychain: authn.NewMultiKeychain()}
}

func archive(t *testing.T, images ...Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteArchive(&b, images); err != nil {
		t.Fatal(err)
	}
	if n, err := Size(images); err != nil || n != int64(b.Len()) {
		t.Errorf("the size is %d bytes, %v, and the archive has %d", n, err, b.Len())
	}
	return b.Bytes()
}

func TestPull(t *testing.T) {
	r := newRegistry(t)
	many := r.push(t, "team/app:1.2", index(t, "linux/arm64", "linux/amd64/v3", "linux/amd64", "windows/amd64"))
	one := r.push(t, "solo", image(t, "alone", "amd64"))
	one = strings.Replace(one, "/solo:latest", "/solo", 1)

	o := newOptions(t)
	var mu sync.Mutex
	fetched := map[string]int{}
	o.Done = func(image string, bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		if bytes > 0 {
			fetched[image]++
		}
	}
	app, err := Pull(t.Context(), many, o)
	if err != nil {
		t.Fatal(err)
	}
	solo, err := Pull(t.Context(), one, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{many: 4, one: 3}, fetched); diff != "" {
		t.Errorf("parts fetched: index, manifest, configuration, layer (-want +got):\n%s", diff)
	}
	digest := many[strings.Index(many, "@"):]
	if diff := cmp.Diff([]string{r.host() + "/team/app" + digest, r.host() + "/team/app:1.2"}, app.Names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if "@"+app.Target.Digest.String() != digest || app.Target.MediaType != types.OCIImageIndex || len(app.Blobs) != 4 || len(solo.Blobs) != 3 {
		t.Errorf("got %+v", app)
	}
	first := archive(t, app, solo)
	if !bytes.Contains(first, []byte("layer of linux/amd64")) || bytes.Contains(first, []byte("layer of linux/amd64/v3")) {
		t.Error("the layer for linux/amd64 is not in it, or that for another machine is")
	}

	// Without the registry, and in another order, all is the same.
	r.Close()
	o.Offline = true
	app, err = Pull(t.Context(), many, o)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(archive(t, solo, app), first) {
		t.Error("a second archive of the same images differs")
	}
}

func TestPullRefuses(t *testing.T) {
	r := newRegistry(t)
	good := image(t, "good", "amd64")
	layers, err := good.Layers()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref := r.push(t, "a/good:1", good)
	_, manifest, _ := strings.Cut(ref, "@")
	foreign := image(t, "x", "amd64")
	foreign, err = mutate.Append(foreign, mutate.Addendum{
		Layer: static.NewLayer([]byte("far away"), types.DockerForeignLayer), MediaType: types.DockerForeignLayer, URLs: []string{"http://127.0.0.1:1/x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ref     string
		replace map[string][]byte
		offline bool
		want    []string
	}{
		"layer changed":      {ref, map[string][]byte{layer.Hex: nil, layer.String(): []byte("evil")}, false, []string{"layer " + layer.String(), "sha256"}},
		"layer longer":       {ref, map[string][]byte{layer.String(): []byte("good, and then something")}, false, []string{"layer " + layer.String()}},
		"manifest changed":   {ref, map[string][]byte{manifest: []byte(`{"schemaVersion":2}`)}, false, []string{"manifest " + manifest, "does not match"}},
		"not there":          {r.host() + "/a/good@sha256:" + strings.Repeat("0", 64), nil, false, []string{"manifest sha256:000", "MANIFEST_UNKNOWN"}},
		"offline":            {ref, nil, true, []string{"manifest " + manifest, "not in the cache, and downloads are forbidden"}},
		"other machine":      {r.push(t, "a/arm:1", image(t, "arm", "arm64")), nil, false, []string{"it is for linux/arm64, and the machines are linux/amd64"}},
		"other machines":     {r.push(t, "a/arms:1", index(t, "linux/arm64", "linux/amd64/v4")), nil, false, []string{"it is not for linux/amd64 (it has linux/arm64, linux/amd64/v4)"}},
		"layer of elsewhere": {r.push(t, "a/foreign:1", foreign), nil, false, []string{"which cannot be baked in"}},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			r.replace = tt.replace
			o := newOptions(t)
			o.Offline = tt.offline
			_, err := Pull(t.Context(), tt.ref, o)
			for _, want := range append(tt.want, fmt.Sprintf("fetching image %q: ", tt.ref)) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %q in it", err, want)
				}
			}
			if _, err := os.Stat(o.Cache.Path(layer.Hex)); err == nil && tt.replace != nil {
				t.Error("the cache has taken the layer")
			}
		})
	}
}

// TestPullMendsCache damages each part of an image in the cache.
func TestPullMendsCache(t *testing.T) {
	r := newRegistry(t)
	ref := r.push(t, "a/b:1", index(t, "linux/amd64"))
	o := newOptions(t)
	first, err := Pull(t.Context(), ref, o)
	if err != nil {
		t.Fatal(err)
	}
	want := archive(t, first)
	for i, b := range first.Blobs {
		file := o.Cache.Path(b.SHA256)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if i == len(first.Blobs)-1 {
			if err := WriteArchive(io.Discard, []Image{first}); err == nil || !strings.Contains(err.Error(), b.SHA256+": its content has changed") {
				t.Errorf("an archive of a damaged layer: %v", err)
			}
		}
		r.asked = nil
		again, err := Pull(t.Context(), ref, o)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(archive(t, again), want) || len(r.asked) != 1 {
			t.Errorf("part %d: it is not what it was, or was not alone fetched again: %v", i, r.asked)
		}
	}
}

func TestPullWithCredentials(t *testing.T) {
	r := newRegistry(t)
	ref := r.push(t, "a/b:1", image(t, "private", "amd64"))
	r.user = "someone"
	o := newOptions(t)
	if _, err := Pull(t.Context(), ref, o); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a password: %v", err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`{"auths": {%q: {"username": "someone", "password": "secret"}}}`, r.host())
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	o.Keychain = nil // the user's own
	if _, err := Pull(t.Context(), ref, o); err != nil {
		t.Error(err)
	}
}

const definition = `apiVersion: ingot/v1
kind: Cluster
name: a
domain: a.example.com
nodes: [{name: a, roles: [controller, worker], address: 192.0.2.1}]
image:
  preload:
`

func load(t *testing.T, refs ...string) *cluster.Cluster {
	t.Helper()
	text := definition
	for _, ref := range refs {
		text += "    - " + ref + "\n"
	}
	c, err := cluster.Parse("cluster.yaml", []byte(text), cluster.Indexes{}, &diag.Report{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPreloadNamesPlaces(t *testing.T) {
	r := newRegistry(t)
	good := r.push(t, "a/b:1", image(t, "b", "amd64"))
	// The definition's rules want a name with a dot; loopback has one.
	c := load(t, good, r.host()+"/gone@sha256:"+strings.Repeat("1", 64), r.host()+"/lost@sha256:"+strings.Repeat("2", 64))
	_, err := Preload(t.Context(), c, newOptions(t))
	var report *diag.ReportError
	if !errors.As(err, &report) || len(report.Report.Problems) != 2 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{"cluster.yaml:9:7: image.preload[1]: fetching image", "cluster.yaml:10:7: image.preload[2]: fetching image"} {
		if got := report.Report.Problems[i].String(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	images, err := Preload(t.Context(), load(t, good), newOptions(t))
	if err != nil || len(images) != 1 {
		t.Errorf("got %v, %v", images, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Preload(ctx, c, newOptions(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNames(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for in, want := range map[string][]string{
		"docker.io/busybox:1.37" + digest:     {"docker.io/library/busybox" + digest, "docker.io/library/busybox:1.37"},
		"docker.io/a/b" + digest:              {"docker.io/a/b" + digest},
		"reg.example.com:5000/a/b" + digest:   {"reg.example.com:5000/a/b" + digest},
		"reg.example.com:5000/a:x" + digest:   {"reg.example.com:5000/a" + digest, "reg.example.com:5000/a:x"},
		"localhost:5000/some/deep/a" + digest: {"localhost:5000/some/deep/a" + digest},
	} {
		ref, err := parse(in)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(want, ref.names()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
	for _, bad := range []string{"", "a", "reg.example.com/a:1", "reg.example.com/a@md5:00", "reg.example.com/A" + digest} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
