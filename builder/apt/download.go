package apt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/internal/run"
)

// helper is apt's program for single files (package apt).
const helper = "/usr/lib/apt/apt-helper"

// Ways in which a download can fail that another try does not mend. The error
// of Download wraps them.
var (
	ErrGone     = errors.New("the mirror does not have it")
	ErrTampered = errors.New("the mirror gave another file")
)

// Download fetches files into a folder through apt's transports: with the
// host's proxies, passwords and lists of mirrors. Each gets its SHA-256 as its
// name. apt checks the hashes. An error is about any of the files: others may
// have arrived, and the caller finds those. It may be called concurrently, for
// different files.
func (s *State) Download(ctx context.Context, packages []Package, dir string) error {
	argv := []string{helper, "download-file"}
	for _, p := range packages {
		mirror, ok := s.mirrors[p.Archive]
		if !ok {
			return fmt.Errorf("downloading %s %s: no mirror of the archive %q", p.Name, p.Version, p.Archive)
		}
		argv = append(argv, mirror.address(p.File), filepath.Join(dir, p.SHA256), "SHA256:"+p.SHA256)
	}
	err := s.run(ctx, nil, argv...)
	if err == nil {
		return nil
	}
	var failed *run.Error
	if errors.As(err, &failed) && ctx.Err() == nil {
		switch said := failed.Stderr; {
		case strings.Contains(said, "Hash Sum mismatch") || strings.Contains(said, "unexpected size"):
			err = ErrTampered
		case strings.Contains(said, "404 ") || strings.Contains(said, "410 ") || strings.Contains(said, "File not found") ||
			strings.Contains(said, "No such file"):
			err = ErrGone
		}
	}
	return fmt.Errorf("downloading: %w", err)
}
