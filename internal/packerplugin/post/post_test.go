package post

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	registry "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
)

// passing is an artifact as Packer gives it: it says nothing after the call.
type passing struct {
	packersdk.Artifact
	over bool
}

func (p *passing) State(name string) any {
	if p.over {
		return nil
	}
	return p.Artifact.State(name)
}

// Post-processors follow one another: each finds the image, and what those before
// it have made of it.
func TestFollowing(t *testing.T) {
	manifest, err := filepath.Abs("../../../builder/testdata/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var artifact packersdk.Artifact = &packersdk.MockArtifact{StateValues: map[string]any{
		image.StateManifest: manifest, image.StateDefinition: "../../../clusters/lab/cluster.yaml", registry.ArtifactStateURI: "of the image",
	}}
	var want []builder.Output
	for _, name := range []string{"a", "b"} {
		p := &Processor{Name: name, Work: func(_ context.Context, _ packersdk.Ui, s *image.Source) (*Artifact, error) {
			if diff := cmp.Diff(want, s.Made); diff != "" || s.Cluster.Def.Name != "lab" || s.Manifest.Cluster != "lab" {
				t.Errorf("it gets others (-want +got):\n%s", diff)
			}
			return &Artifact{Name: name, Made: []builder.Output{{Name: name, Size: 1}}}, nil
		}}
		given := &passing{Artifact: artifact}
		made, keep, must, err := p.PostProcess(t.Context(), nil, given)
		given.over = true
		if err != nil || !keep || must || made.State(registry.ArtifactStateURI) != "of the image" {
			t.Fatalf("%s: keep %v, always %v: %v", name, keep, must, err)
		}
		artifact, want = made, append(want, builder.Output{Name: name, Size: 1})
	}
	failing := &Processor{Name: "c", Work: func(context.Context, packersdk.Ui, *image.Source) (*Artifact, error) { return nil, errors.New("no") }}
	if made, keep, _, err := failing.PostProcess(t.Context(), nil, artifact); made != nil || !keep || err == nil || err.Error() != "ingot-c: no" {
		t.Errorf("one that fails gives %v, keeps %v: %v", made, keep, err)
	}
	artifact = &packersdk.MockArtifact{BuilderIdValue: "other"}
	if _, _, _, err := failing.PostProcess(t.Context(), nil, artifact); err == nil || !strings.Contains(err.Error(), `not what "other" does`) {
		t.Errorf("what others make is taken: %v", err)
	}
}
