package component

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// hashDir is the h1: checksum of a module's files as go.sum has it: the
// SHA-256 of a list like that of sha256sum, ordered by name, of all files with
// prefix, path@version, before their names (go.dev/ref/mod, "go.sum files").
func hashDir(dir, prefix string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }() // opened for reading only
	var names []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%q is no regular file", filepath.Join(dir, name))
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		return "", err
	}
	// The order is that of the whole names, in which a slash counts as itself.
	sort.Strings(names)
	list := sha256.New()
	for _, name := range names {
		sum, err := hashFile(root, name)
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(list, "%x  %s/%s\n", sum, prefix, name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(list.Sum(nil)), nil
}

func hashFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
