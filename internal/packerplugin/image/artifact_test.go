package image

import (
	"slices"
	"testing"

	registry "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"
	"github.com/ingot-k8s/ingot/builder"
)

func TestArtifact(t *testing.T) {
	a := &Artifact{Dir: "out", definition: "clusters/lab/cluster.yaml", Manifest: &builder.Manifest{
		Cluster: "lab", ID: "0123456789ab", Kubernetes: "v1.36.3", Debian: 12,
		Inputs: builder.Inputs{Changes: "def"}, Unlocked: &builder.Unlocked{Written: 1},
		Files: []builder.Output{{Name: "lab-0123456789ab.raw.gz", Format: builder.RawGZ, SHA256: "abc"}, {Name: "sbom.spdx.json"}},
	}}
	if a.BuilderId() != BuilderID || a.Id() != "lab-0123456789ab" || a.String() != "image lab-0123456789ab: out/lab-0123456789ab.raw.gz" {
		t.Errorf("it is %q %q: %s", a.BuilderId(), a.Id(), a)
	}
	if got, want := a.Files(), []string{"out/lab-0123456789ab.raw.gz", "out/sbom.spdx.json", "out/SHA256SUMS", "out/manifest.json"}; !slices.Equal(got, want) {
		t.Errorf("its files are %q, want %q", got, want)
	}
	if a.State(StateManifest) != "out/manifest.json" || a.State(StateDefinition) != "clusters/lab/cluster.yaml" || a.State("other") != nil {
		t.Errorf("its state is %v, %v, %v", a.State(StateManifest), a.State(StateDefinition), a.State("other"))
	}
	told, ok := a.State(registry.ArtifactStateURI).(map[string]any)
	if !ok {
		t.Fatal("a registry learns nothing")
	}
	// The registry's own names and rules.
	image := registry.Image{ImageID: told["ImageID"].(string), ProviderName: told["ProviderName"].(string), Labels: told["Labels"].(map[string]string)}
	if err := image.Validate(); err != nil || image.Labels["sha256_raw_gz"] != "abc" || image.Labels["unlocked"] != "def" || image.Labels["kubernetes"] != "v1.36.3" {
		t.Errorf("a registry learns %+v: %v", image, err)
	}
}
