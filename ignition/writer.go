package ignition

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// folderMode keeps a node's folder to who made it.
const folderMode fs.FileMode = 0o700

// maxOutput bounds what is read of a file that may be one of ours.
const maxOutput = 128 << 20

// WriteNode makes the folder of a node hold these outputs, and reports whether
// anything had to be changed. The folder above it must exist. Each file is
// replaced as a whole or not at all; files that are right already are not
// touched; files of ours that are no longer made are removed, and files of
// others are left alone. Symbolic links in place of the folder or of a file
// are refused. Nothing is forced to the disk: outputs can be made again.
func WriteNode(dir string, outs []OutFile) (changed bool, err error) {
	if changed, err = ensureFolder(dir); err != nil {
		return false, fmt.Errorf("writing identity: %w", err)
	}
	for _, f := range outs {
		if !slices.Contains(outputNames, f.Name) {
			return changed, fmt.Errorf("writing identity: %q is not the name of an output (%q)", f.Name, outputNames)
		}
		wrote, err := writeOutput(filepath.Join(dir, f.Name), f)
		changed = changed || wrote
		if err != nil {
			return changed, fmt.Errorf("writing identity: %w", err)
		}
	}
	for _, name := range outputNames {
		if slices.ContainsFunc(outs, func(f OutFile) bool { return f.Name == name }) {
			continue
		}
		removed, err := removeOutput(filepath.Join(dir, name))
		changed = changed || removed
		if err != nil {
			return changed, fmt.Errorf("writing identity: %w", err)
		}
	}
	return changed, nil
}

func ensureFolder(dir string) (changed bool, err error) {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.Mkdir(dir, folderMode); err != nil {
			return false, err
		}
		return true, os.Chmod(dir, folderMode) // whatever the umask
	}
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return false, fmt.Errorf("%q is there and is not a folder (a symbolic link is none)", dir)
	}
	if info.Mode().Perm() == folderMode {
		return false, nil
	}
	return true, os.Chmod(dir, folderMode)
}

// writeOutput leaves a file alone that has the right content and mode.
func writeOutput(path string, f OutFile) (changed bool, err error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode() == f.Mode && info.Size() == int64(len(f.Data)) {
		old, err := atomicfile.ReadFile(path, maxOutput)
		if err == nil && bytes.Equal(old, f.Data) {
			return false, nil
		}
	}
	if err := atomicfile.WriteNoSync(path, f.Data, f.Mode); err != nil {
		return false, err
	}
	return true, nil
}

// removeOutput removes an output of an earlier run. What has its name and is
// not a regular file is not of ours.
func removeOutput(path string) (removed bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := os.Remove(path); err != nil {
		return false, err
	}
	return true, nil
}
