package tree

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// copyBuffer is how much is copied at a time, in bytes.
const copyBuffer = 256 << 10

// write writes a tree as a canonical tar stream and tells what it has.
func (t entries) write(ctx context.Context, w io.Writer, date time.Time) ([]Node, error) {
	out := tar.NewWriter(w)
	nodes := make([]Node, 0, len(t))
	buffer := make([]byte, copyBuffer)
	for _, p := range slices.Sorted(maps.Keys(t)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e := t[p]
		if err := out.WriteHeader(e.header(date)); err != nil {
			return nil, fmt.Errorf("writing %s: %w", p, err)
		}
		if e.Kind == KindFile {
			sum, err := e.copyTo(out, buffer)
			if err != nil {
				return nil, fmt.Errorf("writing %s: %w", p, err)
			}
			e.SHA256 = sum
		}
		nodes = append(nodes, e.Node)
	}
	return nodes, out.Close()
}

// copyTo writes the content of a file and gives its hash.
func (e *entry) copyTo(w io.Writer, buffer []byte) (string, error) {
	h := sha256.New()
	both := io.MultiWriter(h, w)
	if e.open == nil {
		_, err := both.Write(e.content)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	r, err := e.open()
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }() // nothing was written
	// Hidden behind a plain Reader and Writer, so that the buffer is used.
	n, err := io.CopyBuffer(struct{ io.Writer }{both}, struct{ io.Reader }{r}, buffer)
	if err != nil {
		return "", err
	}
	if n != e.Size {
		return "", fmt.Errorf("it has %d bytes, not %d", n, e.Size)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
