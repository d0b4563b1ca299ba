package post

import (
	"context"
	"encoding/json"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	registry "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
)

// Artifact is what a post-processor made of an image.
type Artifact struct {
	Kind   string                      // says whose it is
	Name   string                      // its id
	Text   string                      // for people
	Paths  []string                    // of files on this machine
	Made   []builder.Output            // files beside the image, which are in no manifest
	Entry  map[string]any              // for a registry of images; nil for that of the image
	Remove func(context.Context) error // removes it, and not the image

	state map[string]any // of the image it was made of
}

var _ packersdk.Artifact = (*Artifact)(nil)

// BuilderId implements packersdk.Artifact.
func (a *Artifact) BuilderId() string { return a.Kind } //nolint:revive // the interface has it so

// Id implements packersdk.Artifact.
func (a *Artifact) Id() string { return a.Name } //nolint:revive // the interface has it so

// Files implements packersdk.Artifact.
func (a *Artifact) Files() []string { return a.Paths }

// String implements packersdk.Artifact.
func (a *Artifact) String() string { return a.Text }

// State implements packersdk.Artifact: that of the image it was made of, so that
// post-processors can follow one another.
func (a *Artifact) State(name string) any { return a.state[name] }

// follow keeps what those that follow need. The artifact that this one was made
// of speaks through Packer, which ends with the call.
func (a *Artifact) follow(from packersdk.Artifact) error {
	a.state = map[string]any{}
	for _, name := range []string{image.StateManifest, image.StateDefinition, registry.ArtifactStateURI} {
		a.state[name] = from.State(name)
	}
	if a.Entry != nil {
		a.state[registry.ArtifactStateURI] = a.Entry
	}
	made, err := json.Marshal(a.Made)
	a.state[image.StateMade] = string(made)
	return err
}

// Destroy implements packersdk.Artifact.
func (a *Artifact) Destroy() error { return a.Remove(context.Background()) }
