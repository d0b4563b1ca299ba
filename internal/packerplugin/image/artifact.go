package image

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	registry "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"
	"github.com/ingot-k8s/ingot/builder"
)

// BuilderID says whose artifacts these are.
const BuilderID = "ingot.image"

// Names under which an artifact has the path of the manifest beside its files,
// and that of the definition that it was baked from.
const (
	StateManifest   = "manifest"
	StateDefinition = "definition"
)

// Artifact is a baked image in all its formats.
type Artifact struct {
	Dir      string // with the manifest and what it names
	Manifest *builder.Manifest

	definition string // file
}

var _ packersdk.Artifact = (*Artifact)(nil)

// BuilderId implements packersdk.Artifact.
func (a *Artifact) BuilderId() string { return BuilderID } //nolint:revive // the interface has it so

// Id implements packersdk.Artifact: the cluster and what follows from the inputs.
func (a *Artifact) Id() string { return a.Manifest.Cluster + "-" + a.Manifest.ID } //nolint:revive // the interface has it so

// Files implements packersdk.Artifact: the images, then what describes them.
func (a *Artifact) Files() []string {
	var out []string
	for _, f := range a.Manifest.Files {
		out = append(out, filepath.Join(a.Dir, f.Name))
	}
	return append(out, filepath.Join(a.Dir, builder.SumsFile), filepath.Join(a.Dir, builder.ManifestFile))
}

// String implements packersdk.Artifact.
func (a *Artifact) String() string {
	var names []string
	for _, f := range a.Manifest.Files {
		if f.Format != "" {
			names = append(names, filepath.Join(a.Dir, f.Name))
		}
	}
	return fmt.Sprintf("image %s: %s", a.Id(), strings.Join(names, ", "))
}

// State implements packersdk.Artifact. What it gives is plain values, because
// it goes from one process to another.
func (a *Artifact) State(name string) any {
	switch name {
	case StateManifest:
		return filepath.Join(a.Dir, builder.ManifestFile)
	case StateDefinition:
		return a.definition
	case registry.ArtifactStateURI:
		return a.registered()
	}
	return nil
}

// registered is what a registry of images learns of this one, by the names of
// the SDK's registry image.
func (a *Artifact) registered() map[string]any {
	labels := map[string]string{
		"cluster": a.Manifest.Cluster, "kubernetes": a.Manifest.Kubernetes, "debian": fmt.Sprint(a.Manifest.Debian),
		"definition": a.Manifest.Inputs.Definition, "lock": a.Manifest.Inputs.Lock,
	}
	if a.Manifest.Unlocked != nil {
		labels["unlocked"] = a.Manifest.Inputs.Changes
	}
	for _, f := range a.Manifest.Files {
		if f.Format != "" {
			labels["sha256_"+strings.ReplaceAll(string(f.Format), ".", "_")] = f.SHA256
		}
	}
	return map[string]any{"ImageID": a.Id(), "ProviderName": "ingot", "ProviderRegion": a.Dir, "Labels": labels}
}

// Destroy implements packersdk.Artifact.
func (a *Artifact) Destroy() error {
	return builder.Remove(context.Background(), a.Dir, a.Manifest)
}
