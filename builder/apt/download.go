package apt

import (
	"context"
	"errors"
	"fmt"
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

// Download fetches one file through apt's transports to a path: with the
// host's proxies, passwords and lists of mirrors. apt checks the size and the
// SHA-256; a wrong file is not kept. It may be called concurrently.
func (s *State) Download(ctx context.Context, p Package, to string) error {
	mirror, ok := s.mirrors[p.Archive]
	if !ok {
		return fmt.Errorf("downloading %s %s: no mirror of the archive %q", p.Name, p.Version, p.Archive)
	}
	err := s.run(ctx, nil, helper, "download-file", mirror.address(p.File), to, "SHA256:"+p.SHA256)
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
	return fmt.Errorf("downloading %s %s: %w", p.Name, p.Version, err)
}
