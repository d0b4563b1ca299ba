// Package cluster_test brings up whole clusters from one image and config ISOs
// alone, runs a workload, and breaks machines and networks under it. It takes
// tens of minutes without KVM, and runs only where INGOT_E2E_DIR names a folder
// to work in, which "make e2e" sets.
package cluster_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/internal/need"
)

// registryAddress is where the workload's image is pulled from when the cluster
// is baked. It stands in the definition, and so is the same in every run: a free
// port of another number would be another image.
const registryAddress = "127.0.0.1:39427"

// workloadImage compiles the workload, serves it as a container image for as
// long as the test runs, and returns its name by digest, and the program.
func workloadImage(t *testing.T) (image, program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "workload")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", program, "./workload")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compiling the workload: %v: %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", registryAddress)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close() // nobody asks any more
		<-served
	})
	img := containerImage(t, data)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	repository := registryAddress + "/ingot/workload"
	tag, err := name.NewTag(repository+":latest", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	return repository + "@" + digest.String(), program
}

// containerImage is an image of one program.
func containerImage(t *testing.T, program []byte) v1.Image {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "workload", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: "amd64", OS: "linux",
		RootFS: must(img.ConfigFile()).RootFS,
		Config: v1.Config{Entrypoint: []string{"/workload"}, Cmd: []string{"serve"}, User: "65532:65532"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return mutate.MediaType(img, types.OCIManifestSchema1)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// floatingAddress moves between the nodes, which are all edges, on the wire that
// they share. hook moves it.
const (
	floatingAddress = "192.0.2.100"
	hook            = `#!/bin/sh
set -eu
link=$(ip -o address show to "$INGOT_NODE_ADDRESS" | cut -d ' ' -f 2)
case $1 in
take) ip address replace "$INGOT_FLOATING_ADDRESS/32" dev "$link" ;;
release) ip address del "$INGOT_FLOATING_ADDRESS/32" dev "$link" 2>/dev/null || true ;;
esac
`
)

// made is what the tests work with: a baked cluster, another one's identities,
// and Kubernetes' own client out of the image.
type made struct {
	*variant.Folder
	cluster  *variant.Variant
	stranger *variant.Variant
	workload string // the image's name, by digest
	program  string // the same as a program
	kubectl  string
}

func makeAll(t *testing.T) *made {
	t.Helper()
	m := &made{Folder: variant.Open(t)}
	m.workload, m.program = workloadImage(t)
	m.cluster = m.New(t, "cluster", "lab", func(def variant.Definition) {
		def["image"].(variant.Definition)["preload"] = []string{m.workload}
		def["addons"] = []string{"addons"}
		k8s := def["kubernetes"].(variant.Definition)
		k8s["labels"] = variant.Definition{"example.com/lab": "yes"}
		// What the test waits for comes sooner: a dead machine is given up after
		// two of its kubelet's leases, and etcd, whose clock is slow here, takes
		// its own defaults.
		k8s["extraArgs"] = variant.Definition{"controllerManager": variant.Definition{"node-monitor-grace-period": "20s"}}
		delete(def, "etcd")
		def["edge"] = variant.Definition{"floatingAddress": floatingAddress, "hook": "hook"}
	})
	m.addons(t)
	if err := os.WriteFile(m.cluster.Path("clusters", "lab", "hook"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	m.stranger = m.New(t, "stranger", "stranger", nil)
	m.cluster.Bake(t, "raw,qcow2")
	m.cluster.Ingot(t, "iso", "lab")
	m.stranger.Ingot(t, "iso", "stranger", "lab0")
	m.kubectl = m.extractKubectl(t)
	return m
}

// addons writes the manifests that the controllers apply: a namespace, and
// then what is in it.
func (m *made) addons(t *testing.T) {
	t.Helper()
	dir := m.cluster.Path("clusters", "lab", "addons")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"10-namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n",
		"20-web.yaml":       fmt.Sprintf(webManifest, m.workload),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// extractKubectl takes Kubernetes' programs out of the image: what they do is
// told by the name that they are called by.
func (m *made) extractKubectl(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range m.cluster.Manifest.Partitions {
		if p.Label != "root" {
			continue
		}
		out, err := exec.CommandContext(t.Context(), need.Tool(t, "unsquashfs"), "-q", "-n", "-no-xattrs", "-o", strconv.FormatInt(p.Offset, 10),
			"-d", filepath.Join(dir, "tree"), m.cluster.Image(t, builder.Raw), "usr/lib/ingot/bin/kubernetes").CombinedOutput()
		if err != nil {
			t.Fatalf("unsquashfs: %v: %s", err, out)
		}
	}
	kubectl := filepath.Join(dir, "kubectl")
	if err := os.Symlink(filepath.Join(dir, "tree/usr/lib/ingot/bin/kubernetes"), kubectl); err != nil {
		t.Fatal(err)
	}
	return kubectl
}
