package image

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/packerplugin/definition"
)

// StateMade is the name under which an artifact has the list of files that
// post-processors have made of the image, as JSON: they are in no manifest.
const StateMade = "made"

// Source is an image that a post-processor makes something of.
type Source struct {
	Cluster  *cluster.Cluster
	Dir      string // with the manifest and what it names
	Manifest *builder.Manifest
	Made     []builder.Output // by post-processors before this one
}

// Open finds the image of an artifact of the builder, or of what a post-processor
// made of one.
func Open(a packersdk.Artifact) (*Source, error) {
	path, _ := a.State(StateManifest).(string)
	file, _ := a.State(StateDefinition).(string)
	if path == "" || file == "" {
		return nil, fmt.Errorf("it takes what ingot-image makes, not what %q does", a.BuilderId())
	}
	s := &Source{Dir: filepath.Dir(path)}
	if made, ok := a.State(StateMade).(string); ok {
		if err := json.Unmarshal([]byte(made), &s.Made); err != nil {
			return nil, fmt.Errorf("reading what was made of the image: %w", err)
		}
	}
	var err error
	if s.Cluster, _, err = definition.Load(file); err != nil {
		return nil, err
	}
	s.Manifest, err = builder.ReadManifest(path)
	return s, err
}
