package image

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// packFolder writes a folder of this machine as an archive that belongs to root.
func packFolder(w io.Writer, dir string, exclude []string) error {
	out := tar.NewWriter(w)
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if slices.Contains(exclude, path) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return packFile(out, tree, dir, path, d)
	})
	return errors.Join(err, out.Close())
}

func packFile(out *tar.Writer, tree fs.FS, dir, path string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	target := ""
	if d.Type() == fs.ModeSymlink {
		if target, err = os.Readlink(filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = path, 0, 0, "", ""
	if err := out.WriteHeader(h); err != nil || !d.Type().IsRegular() {
		return err
	}
	f, err := tree.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // nothing was written
	_, err = io.Copy(out, f)
	return err
}

// unpackFolder writes the folders and files of an archive into a folder, and
// nothing outside of it.
func unpackFolder(r io.Reader, dir string, exclude []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it is only a handle
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Clean(h.Name)
		if name == "." || slices.Contains(exclude, name) {
			continue
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			err = unpackFile(root, name, h.FileInfo().Mode().Perm(), in)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, mode fs.FileMode, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
