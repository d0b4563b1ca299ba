package basefs

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// libraryDirs is where the loader looks, as Debian's ld.so.conf has it, and
// where libraries of systemd are, which find each other as they are loaded.
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib/x86_64-linux-gnu/systemd", "usr/lib/systemd"}

// Libraries lists what an ELF file needs before it can run: its loader and its
// libraries, but not theirs. name is where the file is. A file of another kind
// needs nothing.
func (t *FS) Libraries(name string, r io.ReaderAt) ([]string, error) {
	var magic [4]byte
	if _, err := r.ReadAt(magic[:], 0); errors.Is(err, io.EOF) || err == nil && string(magic[:]) != elf.ELFMAG {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	var needed []string
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			interp, err := io.ReadAll(p.Open())
			if err != nil {
				return nil, err
			}
			needed = append(needed, Clean(strings.TrimRight(string(interp), "\x00")))
		}
	}
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	dirs, err := runPath(f, name)
	if err != nil {
		return nil, err
	}
	for _, library := range names {
		found, err := find(t, append(dirs, libraryDirs...), library)
		if err != nil {
			return nil, err
		}
		needed = append(needed, found)
	}
	return needed, nil
}

// runPath is where else the loader looks for the libraries of a file.
func runPath(f *elf.File, name string) ([]string, error) {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, err := f.DynString(tag)
		if err != nil {
			return nil, err
		}
		for _, value := range values {
			for dir := range strings.SplitSeq(value, ":") {
				dirs = append(dirs, Clean(strings.ReplaceAll(dir, "$ORIGIN", path.Dir("/"+name))))
			}
		}
	}
	return dirs, nil
}

func find(t *FS, dirs []string, library string) (string, error) {
	for _, dir := range dirs {
		if name := path.Join(dir, library); t.Has(name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("the base has no library %q", library)
}
