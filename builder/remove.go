package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Remove removes the files of an image from the folder in which it was baked,
// and the links to them. What another bake has put there since then stays. A
// file that is gone already is no error.
func Remove(ctx context.Context, dir string, m *Manifest) error {
	held, err := hold(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }() // unlocks
	path := filepath.Join(dir, ManifestFile)
	now, err := ReadManifest(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing image %s-%s: %w", m.Cluster, m.ID, err)
	}
	var names []string
	for _, f := range m.Files {
		if f.Format != "" {
			names = append(names, f.Name)
		}
	}
	// What has no image's name is that of the newest.
	if now != nil && now.ID == m.ID {
		names = append(names, SumsFile, sbomFile, filesFile, ManifestFile)
	}
	var wrong []error
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			wrong = append(wrong, fmt.Errorf("removing image %s-%s: %w", m.Cluster, m.ID, err))
		}
	}
	return errors.Join(append(wrong, dropLinks(dir))...)
}

// dropLinks removes the links to newest images that lead nowhere now.
func dropLinks(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("removing links to an image: %w", err)
	}
	for _, e := range entries {
		if e.Type() != fs.ModeSymlink || e.Name() != latest && !strings.HasPrefix(e.Name(), latest+".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing links to an image: %w", err)
		}
	}
	return nil
}
