package ignition

import (
	"fmt"

	"github.com/ingot-k8s/ingot/ignition/bundle"
)

// ReadBundle reads a bundle as the unpackers do: see [bundle.Read].
func ReadBundle(data []byte) ([]File, error) {
	files, err := bundle.Read(data)
	if err != nil {
		return nil, fmt.Errorf("reading bundle: %w", err)
	}
	var out []File
	for _, f := range files {
		out = append(out, File{Path: f.Path, Mode: f.Mode, Owner: f.Owner, Data: f.Data})
	}
	return out, nil
}
