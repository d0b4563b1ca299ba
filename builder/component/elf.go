package component

import (
	"debug/elf"
	"errors"
	"fmt"
)

// checkELF refuses what would not run on the machines: what is no program for
// amd64, such as an archive or a script, and what needs an interpreter that
// may not be in the image.
func checkELF(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("no program: want one static executable for amd64, not an archive or a script: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading only
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("no program for amd64, but %s for %s", f.Type, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("the program is not static: it wants a dynamic linker")
		}
	}
	return nil
}
