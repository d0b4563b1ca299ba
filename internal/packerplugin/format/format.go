//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config

// Package format is Ingot's post-processors for formats: each writes an image of
// ingot-image in one more format.
package format

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
	"github.com/ingot-k8s/ingot/internal/packerplugin/post"
)

// Config is what a template says of a format: nothing of its own.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
}

// Formats lists those that have a post-processor: all that are made of raw.
func Formats() []builder.Format {
	return slices.DeleteFunc(builder.Formats(), func(f builder.Format) bool { return f == builder.Raw })
}

// Name is a format as its post-processor is named.
func Name(f builder.Format) string { return strings.ReplaceAll(string(f), ".", "-") }

// New is the post-processor of a format.
func New(f builder.Format) *post.Processor {
	return &post.Processor{Name: Name(f), Config: new(Config), Work: func(ctx context.Context, ui packersdk.Ui, s *image.Source) (*post.Artifact, error) {
		out, err := builder.Convert(ctx, s.Cluster, s.Manifest, s.Dir, f)
		if err != nil {
			return nil, err
		}
		ui.Say(fmt.Sprintf("%s  %s", out.SHA256, out.Name))
		file := filepath.Join(s.Dir, out.Name)
		return &post.Artifact{
			Kind: "ingot.format", Name: out.Name, Text: "image " + file, Paths: []string{file}, Made: []builder.Output{*out},
			Remove: func(context.Context) error { return remove(file) },
		}, nil
	}}
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
