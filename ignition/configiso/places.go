package configiso

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Place is where a volume has the content of a file: Size bytes from Offset on.
type Place struct {
	Path         string
	Offset, Size int64
}

// Places reads the label of a volume of size bytes, and where its files are,
// however large they are. What [Read] refuses is refused here too, and names
// are as there; files come sorted by path.
func Places(r io.ReaderAt, size int64) (label string, files []Place, err error) {
	d, err := open(r, size)
	if err != nil {
		return "", nil, fmt.Errorf("reading volume: %w", err)
	}
	err = d.walk(func(n node) error {
		if n.isDot() || n.isFolder() {
			return nil
		}
		p := Place{Path: n.path, Offset: int64(n.sector) * sectorSize, Size: int64(n.length)}
		if p.Size > 0 && (p.Offset > size || p.Size > size-p.Offset) {
			return fmt.Errorf("file %q: sector %d: %d bytes from here on go beyond the end (%d bytes)", n.path, n.sector, n.length, size)
		}
		files = append(files, p)
		return nil
	})
	if err != nil {
		return "", nil, fmt.Errorf("reading volume %q: %w", d.label, err)
	}
	slices.SortFunc(files, func(a, b Place) int { return strings.Compare(a.Path, b.Path) })
	for i := 1; i < len(files); i++ {
		if files[i].Path == files[i-1].Path {
			return "", nil, fmt.Errorf("reading volume %q: file %q is there twice", d.label, files[i].Path)
		}
	}
	return d.label, files, nil
}
