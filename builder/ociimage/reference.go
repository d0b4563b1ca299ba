package ociimage

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
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
