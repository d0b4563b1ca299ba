package ociimage

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
)

// reference is an image that a definition names: name[:tag]@sha256:<hex>.
type reference struct {
	name.Digest
	tag string // empty where none is given
}

func parse(s string) (reference, error) {
	named, digest, ok := strings.Cut(s, "@")
	if !ok {
		return reference{}, fmt.Errorf("%q has no digest", s)
	}
	repository, tag := named, ""
	// A colon before the last slash is that of the registry's port.
	if i := strings.LastIndex(named, ":"); i > strings.LastIndex(named, "/") {
		repository, tag = named[:i], named[i+1:]
	}
	d, err := name.NewDigest(repository+"@"+digest, name.WeakValidation)
	if err != nil {
		return reference{}, fmt.Errorf("%q is not a container image by digest: %w", s, err)
	}
	return reference{Digest: d, tag: tag}, nil
}

// repository is the name as containerd and Kubernetes have it.
func (r reference) repository() string {
	full := r.Context().Name()
	if rest, is := strings.CutPrefix(full, name.DefaultRegistry+"/"); is {
		return "docker.io/" + rest
	}
	return full
}

// names are what pods may call the image: with the digest, which is what
// Kubernetes makes of name:tag@digest too, and with the tag.
func (r reference) names() []string {
	names := []string{r.repository() + "@" + r.DigestStr()}
	if r.tag != "" {
		names = append(names, r.repository()+":"+r.tag)
	}
	return names
}

// Locked gives the container images that a lock has of a definition. Their
// digests stand in the definition, so nothing has to be asked.
func Locked(c *cluster.Cluster) ([]lock.Image, error) {
	var out []lock.Image
	for _, s := range c.Def.Image.Preload {
		if _, err := parse(s); err != nil {
			return nil, fmt.Errorf("locking images: %w", err)
		}
		named, digest, _ := strings.Cut(s, "@")
		out = append(out, lock.Image{Reference: named, Digest: digest})
	}
	return out, nil
}
