package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder/workshop"
	"github.com/ingot-k8s/ingot/internal/run"
)

// communicator lets Packer's provisioners into the base of the image.
type communicator struct {
	ctx  context.Context // of the build: Packer calls from another process, which has none that ends
	shop *shop
}

var _ packersdk.Communicator = (*communicator)(nil)

// Start implements packersdk.Communicator. What Packer gives is a line for a
// shell.
func (c *communicator) Start(_ context.Context, cmd *packersdk.RemoteCmd) error {
	w, err := c.shop.open(c.ctx)
	if err != nil {
		return err
	}
	c.shop.runs.Add(1)
	go func() {
		defer c.shop.runs.Done()
		err := w.Run(c.ctx, workshop.Streams{In: cmd.Stdin, Out: cmd.Stdout, Err: cmd.Stderr}, "/bin/sh", "-c", cmd.Command)
		cmd.SetExited(status(err))
	}()
	return nil
}

// status is the exit status of a program.
func status(err error) int {
	var failed *run.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed) && failed.ExitCode >= 0:
		return failed.ExitCode
	default: // it did not start, or was ended
		return 1
	}
}

// run runs a program of the base to its end.
func (c *communicator) run(in io.Reader, out io.Writer, argv ...string) error {
	w, err := c.shop.open(c.ctx)
	if err != nil {
		return err
	}
	return w.Run(c.ctx, workshop.Streams{In: in, Out: out}, argv...)
}

// Upload implements packersdk.Communicator.
func (c *communicator) Upload(dst string, r io.Reader, info *os.FileInfo) error {
	mode := fs.FileMode(0o644)
	if info != nil {
		mode = (*info).Mode().Perm()
	}
	if err := c.run(r, nil, "install", "--no-target-directory", fmt.Sprintf("--mode=%04o", mode), "/dev/stdin", dst); err != nil {
		return fmt.Errorf("uploading %s: %w", dst, err)
	}
	return nil
}

// UploadDir implements packersdk.Communicator: without a slash at the end of
// src, the folder itself is made in dst.
func (c *communicator) UploadDir(dst, src string, exclude []string) error {
	if !os.IsPathSeparator(src[len(src)-1]) {
		dst = path.Join(dst, filepath.Base(src))
	}
	if err := c.run(nil, nil, "mkdir", "-p", dst); err != nil {
		return fmt.Errorf("uploading %s: %w", src, err)
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(packFolder(w, src, exclude)) }() // always nil
	err := c.run(r, nil, "tar", "--extract", "--no-same-owner", "--preserve-permissions", "--directory", dst, "--file", "-")
	_ = r.Close() // always nil; what is left to pack is refused
	if err != nil {
		return fmt.Errorf("uploading %s: %w", src, err)
	}
	return nil
}

// Download implements packersdk.Communicator.
func (c *communicator) Download(src string, w io.Writer) error {
	if err := c.run(nil, w, "cat", src); err != nil {
		return fmt.Errorf("downloading %s: %w", src, err)
	}
	return nil
}

// DownloadDir implements packersdk.Communicator: without a slash at the end of
// src, the folder itself is made in dst.
func (c *communicator) DownloadDir(src, dst string, exclude []string) error {
	if src[len(src)-1] != '/' {
		dst = filepath.Join(dst, path.Base(src))
	}
	r, w := io.Pipe()
	go func() {
		_ = w.CloseWithError(c.run(nil, w, "tar", "--create", "--directory", src, "--file", "-", ".")) // always nil
	}()
	err := unpackFolder(r, dst, exclude)
	_ = r.CloseWithError(err) // always nil
	if err != nil {
		return fmt.Errorf("downloading %s: %w", src, err)
	}
	return nil
}
