package workshop

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Changes are what was done to a base: a layer of its own over it. The same
// changes have the same Sum, whenever they were made.
type Changes struct {
	Sum     string   // SHA-256 in hexadecimal
	Written []string // paths that are new or others, ordered
	Removed []string // paths that are gone, ordered

	file string // canonical tar of what is written
}

// Empty reports whether nothing was changed.
func (c *Changes) Empty() bool { return len(c.Written)+len(c.Removed) == 0 }

// Changes finds what was changed since Open. What it gives is good until Close.
func (w *Workshop) Changes(ctx context.Context) (*Changes, error) {
	c, err := w.changes(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding what was changed: %w", err)
	}
	return c, nil
}

func (w *Workshop) changes(ctx context.Context) (*Changes, error) {
	now, err := w.list(ctx)
	if err != nil {
		return nil, err
	}
	out := &Changes{file: filepath.Join(w.dir, "changes.tar")}
	var suspects []string
	for _, p := range slices.Sorted(maps.Keys(now)) {
		if old, was := w.before[p]; !was || old != now[p] {
			suspects = append(suspects, p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(w.before)) {
		if _, is := now[p]; !is {
			out.Removed = append(out.Removed, p)
		}
	}
	raw := filepath.Join(w.dir, "suspects.tar")
	if err := w.pack(ctx, suspects, raw); err != nil {
		return nil, err
	}
	old, err := index(w.base)
	if err != nil {
		return nil, fmt.Errorf("reading the base: %w", err)
	}
	if err := w.compare(raw, old, out); err != nil {
		return nil, err
	}
	return out, os.Remove(raw)
}

// pack writes paths of the tree into an archive.
func (w *Workshop) pack(ctx context.Context, paths []string, file string) error {
	var list bytes.Buffer
	for _, p := range paths {
		list.WriteString("." + p + "\x00")
	}
	f, err := atomicfile.CreateNoSync(file, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // does nothing after Commit
	err = w.Runner.Run(ctx, w.command(&list, f, "tar", "--create", "--format=pax", "--no-recursion", "--numeric-owner",
		"--hard-dereference", "--xattrs", "--xattrs-include=*", "--directory", w.Tree(), "--null", "--verbatim-files-from", "--files-from", "-", "--file", "-"))
	if err != nil {
		return err
	}
	return f.Commit()
}

// compare writes those of an archive that differ from the base into the file of
// the changes.
func (w *Workshop) compare(raw string, old map[string]*member, out *Changes) error {
	in, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // nothing was written
	is, err := index(in)
	if err != nil {
		return fmt.Errorf("reading what was changed: %w", err)
	}
	f, err := atomicfile.CreateNoSync(out.file, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // does nothing after Commit
	sum := sha256.New()
	archive := tar.NewWriter(io.MultiWriter(sum, f))
	var wrong []error
	for _, p := range slices.Sorted(maps.Keys(is)) {
		m := is[p]
		if m.kind() == 0 {
			wrong = append(wrong, fmt.Errorf("%s is a device, a pipe or a socket, which an image does not have", p))
			continue
		}
		if was, ok := old[p]; ok {
			same, err := m.same(was)
			if err != nil {
				return err
			}
			if same {
				continue
			}
		}
		out.Written = append(out.Written, p)
		if err := m.write(archive, w.Date); err != nil {
			return fmt.Errorf("writing %s: %w", p, err)
		}
	}
	if err := errors.Join(append(wrong, archive.Close())...); err != nil {
		return err
	}
	for _, p := range out.Removed {
		_, _ = io.WriteString(sum, p+"\x00") // hashes take everything
	}
	out.Sum = hex.EncodeToString(sum.Sum(nil))
	return f.Commit()
}

// Merge writes the archive of a base with changes.
func Merge(ctx context.Context, w io.Writer, base Base, c *Changes) error {
	in, err := os.Open(c.file)
	if err != nil {
		return fmt.Errorf("changing the base: %w", err)
	}
	defer func() { _ = in.Close() }() // nothing was written
	over, err := index(in)
	if err != nil {
		return fmt.Errorf("changing the base: %w", err)
	}
	all, err := index(base)
	if err != nil {
		return fmt.Errorf("changing the base: %w", err)
	}
	for _, p := range c.Removed {
		delete(all, p)
	}
	maps.Copy(all, over)
	archive := tar.NewWriter(w)
	for _, p := range slices.SortedFunc(maps.Keys(all), byFolder) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := all[p].write(archive, all[p].header.ModTime); err != nil {
			return fmt.Errorf("changing the base: writing %s: %w", p, err)
		}
	}
	return archive.Close()
}

// byFolder orders paths so that a folder comes before what is in it.
func byFolder(a, b string) int {
	return slices.Compare(strings.Split(path.Clean(a), "/"), strings.Split(path.Clean(b), "/"))
}
