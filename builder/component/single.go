package component

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/cluster"
)

// maxProgram bounds a program by address or file: 1 GiB.
const maxProgram = 1 << 30

// DifferentError is a program by address or file with another content than
// the definition says.
type DifferentError struct {
	Component string
	From      string // its address or file
	Want, Got string // SHA-256
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("refused, because the SHA-256 of %s is %s, and not %s", e.From, e.Got, e.Want)
}

// single copies the one program of a component by address or file to path.
func single(ctx context.Context, c *cluster.Cluster, component cluster.Component, cfg Config, name, path string) error {
	if component.Source == cluster.SourceURL {
		if cfg.Cache == nil {
			return errors.New("a program by address needs the cache")
		}
		cfg.say(Progress{Component: name, Phase: Downloading})
		err := cfg.Cache.URL(ctx, component.URL, component.SHA256, maxProgram, cfg.Offline, path)
		var differs *fetch.DifferentError
		if errors.As(err, &differs) {
			return &DifferentError{Component: name, From: component.URL, Want: component.SHA256, Got: differs.Got}
		}
		if err != nil {
			return err
		}
	} else {
		got, err := copyProgram(c.Dir, component.File, path)
		if err != nil {
			return err
		}
		if got != component.SHA256 {
			_ = os.Remove(path) // the folder is the caller's, who drops it on an error
			return &DifferentError{Component: name, From: component.File, Want: component.SHA256, Got: got}
		}
	}
	cfg.say(Progress{Component: name, Phase: Checking})
	if err := checkELF(path); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// copyProgram copies a file below dir and gives the SHA-256 of the copy.
func copyProgram(dir, file, to string) (sum string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("reading %q: %w", file, err)
	}
	defer func() { _ = root.Close() }() // opened for reading only
	in, err := root.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no file %q", filepath.Join(dir, file))
	}
	if err != nil {
		return "", fmt.Errorf("reading %q: %w", file, err)
	}
	defer func() { _ = in.Close() }() // nothing was written
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(in, maxProgram+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return "", fmt.Errorf("copying %q: %w", file, err)
	}
	if n > maxProgram {
		return "", fmt.Errorf("%q has more than the %d bytes that are allowed", file, maxProgram)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
