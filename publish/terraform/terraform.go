// Package terraform writes the variables by which Terraform, or OpenTofu, makes
// the machines of a cluster with the modules of deploy/terraform: what "ingot
// publish" would make, from the same functions. Nothing secret is in them:
// identities are named by the paths of their files.
package terraform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
	"github.com/ingot-k8s/ingot/publish/vsphere"
)

// File is the name of the variables' file. A root module reads one of this name
// by itself.
const File = "cluster.auto.tfvars.json"

// DigitalOcean are the variables of deploy/terraform/digitalocean.
type DigitalOcean struct {
	digitalocean.Layout
	Files string `json:"files"` // absolute path of the nodes' folder
}

// VSphere are the variables of deploy/terraform/vsphere.
type VSphere struct {
	vsphere.Layout
	Files string `json:"files"` // absolute path of the nodes' folder
}

// Export is one file to write.
type Export struct {
	Destination string // as "ingot publish" calls it
	Cluster     string // its name
	Image       string // id
	Nodes       int
	Variables   any // *DigitalOcean or *VSphere
}

// Encode gives the text of a file. The same variables give the same bytes.
func (e *Export) Encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e.Variables); err != nil {
		return nil, fmt.Errorf("writing variables for Terraform: %w", err)
	}
	return b.Bytes(), nil
}

// maxFile bounds the file of an earlier run, in bytes.
const maxFile = 64 << 20

// Write writes the file into a folder, which it makes. A dry run writes nothing
// and says what would be done.
func (e *Export) Write(dir string, dryRun bool) (*publish.Summary, error) {
	text, err := e.Encode()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, File)
	item := publish.Item{Kind: "variables", Name: path, State: publish.Changed, Note: fmt.Sprintf("for %d nodes", e.Nodes)}
	s := &publish.Summary{Destination: "terraform, " + e.Destination, Cluster: e.Cluster, Image: e.Image, DryRun: dryRun}
	old, err := atomicfile.ReadFile(path, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		item.State = publish.Created
	case err != nil:
		return nil, fmt.Errorf("looking at what an earlier run wrote: %w", err)
	case bytes.Equal(old, text):
		item.State = publish.Kept
	}
	s.Items = []publish.Item{item}
	if item.State == publish.Kept {
		return s, nil
	}
	s.Calls = []publish.Call{{Method: "WRITE", Target: path, Body: e.Variables}}
	if dryRun {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return s, atomicfile.Write(path, text, 0o644)
}
