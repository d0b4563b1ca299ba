// Package nodeprogram has the program ingot-node within it, so that whatever
// bakes an image, ingot or the Packer plugin, puts the same bytes there and
// needs no compiler for them.
//
// "make build" makes the program before it makes ingot. A plain "go build" or
// "go test" works without it, and then only baking does not.
package nodeprogram

import (
	"bytes"
	"debug/elf"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// Path is where an image has the program, and Mode its permission bits.
const (
	Path             = "/usr/lib/ingot/bin/ingot-node"
	Mode fs.FileMode = 0o755
)

//go:embed all:program
var folder embed.FS

// MissingError says that this build of ingot has no ingot-node within it.
type MissingError struct{}

// Error says what is missing.
func (MissingError) Error() string {
	return "reading the program ingot-node: this ingot was built without it"
}

// Hint says what to do about it.
func (MissingError) Hint() string {
	return "build ingot with: make build (go build and go install leave ingot-node out)"
}

// Program returns the program for linux/amd64: a static executable of about 4
// MB, the same bytes whenever it is built from the same source by the same Go.
// The caller may change them. The error is a [MissingError], or says that what
// was put in is not such a program.
func Program() ([]byte, error) { return programOf(folder) }

func programOf(folder fs.FS) ([]byte, error) {
	data, err := fs.ReadFile(folder, "program/ingot-node")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, MissingError{}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the program ingot-node: %w", err)
	}
	if err := check(data); err != nil {
		return nil, fmt.Errorf("reading the program ingot-node: it is no static program for linux/amd64: %w", err)
	}
	return data, nil
}

// check keeps a program out of images that would not start there.
func check(data []byte) error {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return fmt.Errorf("it is for %v (%v)", f.Machine, elf.EM_X86_64)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("it wants a dynamic loader")
		}
	}
	return nil
}
