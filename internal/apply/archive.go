package apply

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// stream runs a program that reads an archive.
func stream(ctx context.Context, m Machine, out io.Writer, write func(context.Context, *tar.Writer) error, argv ...string) error {
	return pipe(ctx, m, out, func(w io.Writer) error {
		archive := tar.NewWriter(w)
		if err := write(ctx, archive); err != nil {
			return err
		}
		return archive.Close()
	}, argv...)
}

// pipe runs a program that reads what write writes.
func pipe(ctx context.Context, m Machine, out io.Writer, write func(w io.Writer) error, argv ...string) error {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(w)
		written <- err
		_ = w.CloseWithError(err) // always nil
	}()
	ran := m.Run(ctx, r, out, argv...)
	_ = r.Close() // always nil; what is left to write is refused
	if err := <-written; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return ran
}

// write writes the archive of what the layers have, and the programs' links.
// Owners are named: the machine knows their numbers.
func (c *Config) write(ctx context.Context, archive *tar.Writer) error {
	for _, l := range c.Layers {
		entries, err := l.Entries()
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.entry(archive, e); err != nil {
				return fmt.Errorf("layer %s: %s: %w", l.Name, e.Path, err)
			}
		}
	}
	for _, p := range c.Programs {
		if p.Target == "" {
			continue
		}
		h := c.header(p.Path, tar.TypeSymlink, 0o777, 0)
		h.Linkname = p.Target
		if err := archive.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", p.Path, err)
		}
	}
	return nil
}

func (c *Config) header(at string, kind byte, mode fs.FileMode, size int64) *tar.Header {
	return &tar.Header{
		Format: tar.FormatPAX, Typeflag: kind, Name: strings.TrimPrefix(path.Clean(at), "/"), Mode: int64(mode.Perm()),
		Size: size, Uname: "root", Gname: "root", ModTime: c.Date.UTC(),
	}
}

// special are the bits of a mode beside the permissions, as tar has them.
func special(mode fs.FileMode) int64 {
	var out int64
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			out |= bit
		}
	}
	return out
}

func (c *Config) entry(w *tar.Writer, e layer.Entry) error {
	h := c.header(e.Path, tar.TypeReg, e.Mode, int64(len(e.Content)))
	switch {
	case e.Mode.IsDir():
		h.Typeflag, h.Size = tar.TypeDir, 0
	case e.Target != "":
		h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, e.Target, 0
	}
	h.Mode |= special(e.Mode)
	if e.User != "" {
		h.Uname = e.User
	}
	if e.Group != "" {
		h.Gname = e.Group
	}
	if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	_, err := io.Copy(w, bytes.NewReader(e.Content))
	return err
}
