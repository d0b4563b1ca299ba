package ociimage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The platform of every machine that Ingot makes an image for.
const (
	system       = "linux"
	architecture = "amd64"
)

// maxManifest bounds manifests, indexes and configurations, in bytes. It is
// what the distribution specification asks registries to take.
const maxManifest = 4 << 20

// maxLayers and maxBlob bound what a manifest may ask for.
const (
	maxLayers = 1024
	maxBlob   = 32 << 30 // bytes
)

// choose takes the manifest for our platform out of an index: the first one
// for every amd64 machine.
func choose(data []byte) (v1.Descriptor, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(data))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading index: %w", err)
	}
	var has []string
	for _, d := range index.Manifests {
		p := d.Platform
		if p == nil {
			continue
		}
		if p.OS == system && p.Architecture == architecture && (p.Variant == "" || p.Variant == "v1") && d.MediaType.IsImage() {
			return d, check(d, maxManifest)
		}
		has = append(has, p.String())
	}
	return v1.Descriptor{}, fmt.Errorf("it is not for %s/%s (it has %s)", system, architecture, strings.Join(has, ", "))
}

// parts reads a manifest: its configuration, then its layers.
func parts(data []byte) ([]v1.Descriptor, error) {
	m, err := v1.ParseManifest(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("reading manifest: %d layers (at most %d)", len(m.Layers), maxLayers)
	}
	if !m.Config.MediaType.IsConfig() {
		return nil, fmt.Errorf("it is no container image: its configuration is %q", m.Config.MediaType)
	}
	if err := check(m.Config, maxManifest); err != nil {
		return nil, err
	}
	for _, l := range m.Layers {
		if !l.MediaType.IsLayer() || !l.MediaType.IsDistributable() {
			return nil, fmt.Errorf("layer %s is %q, which cannot be baked in", l.Digest, l.MediaType)
		}
		if err := check(l, maxBlob); err != nil {
			return nil, err
		}
	}
	return append([]v1.Descriptor{m.Config}, m.Layers...), nil
}

// check refuses what the cache cannot hold.
func check(d v1.Descriptor, limit int64) error {
	switch {
	case d.Digest.Algorithm != "sha256":
		return fmt.Errorf("part %s: unknown kind of digest (sha256)", d.Digest)
	case d.Size < 0 || d.Size > limit:
		return fmt.Errorf("part %s: %d bytes (at most %d)", d.Digest, d.Size, limit)
	}
	return nil
}

// fits reads a configuration and compares the platform.
func fits(data []byte) error {
	config, err := v1.ParseConfigFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("reading configuration: %w", err)
	}
	if config.OS != system || config.Architecture != architecture {
		return fmt.Errorf("it is for %s/%s, and the machines are %s/%s", config.OS, config.Architecture, system, architecture)
	}
	return nil
}

// kind tells a manifest from an index. What a registry says of the type is not
// covered by the digest, so the content decides.
func kind(data []byte) (types.MediaType, error) {
	if m, err := v1.ParseManifest(bytes.NewReader(data)); err == nil && m.Config.Digest.Hex != "" {
		if m.MediaType == "" {
			return types.OCIManifestSchema1, nil
		}
		if m.MediaType.IsImage() {
			return m.MediaType, nil
		}
		return "", fmt.Errorf("unknown kind of manifest %q", m.MediaType)
	}
	if m, err := v1.ParseIndexManifest(bytes.NewReader(data)); err == nil && len(m.Manifests) > 0 {
		if m.MediaType == "" {
			return types.OCIImageIndex, nil
		}
		if m.MediaType.IsIndex() {
			return m.MediaType, nil
		}
		return "", fmt.Errorf("unknown kind of index %q", m.MediaType)
	}
	return "", errors.New("it is neither a manifest nor an index of manifests")
}
