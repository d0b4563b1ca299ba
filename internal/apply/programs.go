package apply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/tree"
)

// unpack reads an archive. tar puts a new file in the place of an old one, and
// never writes through a link.
var unpack = []string{"tar", "--extract", "--same-owner", "--preserve-permissions", "--directory", "/", "--file", "-"}

// copy writes what the layers have, and those programs that the machine does not
// have: they are large, and the way may be long.
func (c *Config) copy(ctx context.Context, m Machine) error {
	c.Say("writing files")
	if err := stream(ctx, m, nil, c.write, unpack...); err != nil {
		return err
	}
	other, err := c.other(ctx, m)
	if err != nil || len(other) == 0 {
		return err
	}
	c.Say(fmt.Sprintf("writing %d programs", len(other)))
	return pipe(ctx, m, nil, func(w io.Writer) error {
		// The quickest of gzip's levels is no slower than a line of a gigabit a second,
		// and makes programs half as large.
		packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		archive := tar.NewWriter(packed)
		for _, p := range c.Programs {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !slices.Contains(other, p.Path) {
				continue
			}
			if err := c.program(archive, p); err != nil {
				return fmt.Errorf("%s: %w", p.Path, err)
			}
		}
		return errors.Join(archive.Close(), packed.Close())
	}, append(slices.Clone(unpack), "--gzip")...)
}

// other lists the programs that the machine does not have, or not as they are.
// It answers with a line for each: mode, owner, group, and what sha256sum says.
func (c *Config) other(ctx context.Context, m Machine) ([]string, error) {
	argv := []string{"find", "/usr", "-type", "f", "("}
	want := map[string]string{}
	for _, p := range c.Programs {
		if p.Target != "" {
			continue
		}
		sum, err := sum(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Path, err)
		}
		if len(want) > 0 {
			argv = append(argv, "-o")
		}
		argv = append(argv, "-path", p.Path)
		want[p.Path] = fmt.Sprintf("%o root root %s *%s", mode(p).Perm(), sum, p.Path)
	}
	if len(want) == 0 {
		return nil, nil
	}
	var said bytes.Buffer
	argv = append(argv, ")", "-printf", "%m %u %g ", "-exec", "sha256sum", "--binary", "{}", ";")
	if err := m.Run(ctx, nil, &said, argv...); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for line := range strings.Lines(said.String()) {
		there[strings.TrimSpace(line)] = true
	}
	var out []string
	for _, p := range c.Programs {
		if p.Target == "" && !there[want[p.Path]] {
			out = append(out, p.Path)
		}
	}
	return out, nil
}

// mode is that of a program's file.
func mode(p tree.Extra) fs.FileMode {
	if p.Mode == 0 {
		return 0o644
	}
	return p.Mode
}

// sum is the SHA-256 of a program, in hexadecimal.
func sum(p tree.Extra) (string, error) {
	in, err := p.Open()
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }() // nothing was written
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (c *Config) program(w *tar.Writer, p tree.Extra) error {
	if err := w.WriteHeader(c.header(p.Path, tar.TypeReg, mode(p), p.Size)); err != nil {
		return err
	}
	in, err := p.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // nothing was written
	_, err = io.Copy(w, in)
	return err
}
