package ociimage

import (
	"archive/tar"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// PauseImage is the name under which a node knows the image that holds pods
// open. Nothing answers at ingot.local, so it can only be the one baked in.
const PauseImage = "ingot.local/pause:1"

// pauseUser is a user that owns nothing: the last one of 16 bits, as
// Kubernetes' own image has it.
const pauseUser = "65535:65535"

//go:embed pause/main.go
var pauseSource []byte

// pauseModule is the go.mod that the source is compiled with.
const pauseModule = "module ingot.local/pause\n\ngo 1.26\n"

// PauseSource is all that decides about the program, besides the compiler: for
// the inputs of a cached step.
func PauseSource() string { return string(pauseSource) + pauseModule }

// BuildPause compiles the program into dir, an empty folder, and returns its
// path. The environment is that of the go command (PATH, HOME or GOCACHE, and
// GOTOOLCHAIN for a certain compiler); what decides about the bytes is set
// here. The same compiler gives the same bytes, wherever dir is. Nothing is
// fetched.
func BuildPause(ctx context.Context, runner run.Runner, env []string, dir string) (string, error) {
	for name, data := range map[string][]byte{"main.go": pauseSource, "go.mod": []byte(pauseModule)} {
		if err := atomicfile.WriteNoSync(filepath.Join(dir, name), data, 0o644); err != nil {
			return "", err
		}
	}
	err := runner.Run(ctx, run.Command{
		Argv: []string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", "pause", "."},
		Dir:  dir,
		Env: append(append([]string{}, env...), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1",
			"GOEXPERIMENT=", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "GODEBUG="),
	})
	if err != nil {
		return "", fmt.Errorf("building pause: %w", err)
	}
	return filepath.Join(dir, "pause"), nil
}

// maxPause is more than the program has, in bytes.
const maxPause = 16 << 20

// Pause makes the image of the program at path. The same program gives the
// same image: it has no times.
func Pause(path string) (Image, error) {
	program, err := atomicfile.ReadFile(path, maxPause)
	if err != nil {
		return Image{}, fmt.Errorf("making image %s: %w", PauseImage, err)
	}
	var layer bytes.Buffer
	t := tar.NewWriter(&layer)
	err = t.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: "pause", Mode: 0o755, Size: int64(len(program)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	if err == nil {
		if _, err = t.Write(program); err == nil {
			err = t.Close()
		}
	}
	if err != nil {
		return Image{}, fmt.Errorf("making image %s: %w", PauseImage, err)
	}
	// Not compressed: the file system that it comes to lie on is.
	return single([]string{PauseImage}, v1.Config{User: pauseUser, Entrypoint: []string{"/pause"}}, memory(layer.Bytes()))
}

// single is an image of one layer that is not compressed.
func single(names []string, config v1.Config, layer Blob) (Image, error) {
	configData, err := json.Marshal(v1.ConfigFile{
		Architecture: architecture, OS: system, Created: v1.Time{Time: time.Unix(0, 0).UTC()}, Config: config,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{{Algorithm: "sha256", Hex: layer.SHA256}}},
	})
	if err != nil {
		return Image{}, fmt.Errorf("making image %s: %w", names[0], err)
	}
	configBlob := memory(configData)
	data, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: configBlob.descriptor(types.OCIConfigJSON),
		Layers: []v1.Descriptor{layer.descriptor(types.OCIUncompressedLayer)},
	})
	if err != nil {
		return Image{}, fmt.Errorf("making image %s: %w", names[0], err)
	}
	manifest := memory(data)
	return Image{
		Names: names, Target: manifest.descriptor(types.OCIManifestSchema1), Blobs: []Blob{manifest, configBlob, layer},
	}, nil
}
