package machine

import (
	"fmt"
	"path/filepath"
	"slices"
)

// maxSocketPath is how many bytes the path of a Unix socket may have: the size
// of sun_path in Linux' <sys/un.h>, less the zero byte at its end. On macOS it
// is 103, which QEMU says itself.
const maxSocketPath = 107

// shortSockets returns the networks with paths of sockets that QEMU can use:
// those that are too long are made relative to the machine's folder, which is
// there by now.
func shortSockets(dir string, nets []Net) ([]Net, error) {
	nets = slices.Clone(nets)
	for i := range nets {
		for _, p := range []*string{&nets[i].Local, &nets[i].Remote} {
			if len(*p) <= maxSocketPath {
				continue
			}
			short, err := relative(dir, *p)
			if err != nil {
				return nil, fmt.Errorf("socket %q: %w", *p, err)
			}
			if len(short) > maxSocketPath {
				return nil, fmt.Errorf("socket %q: a path of %d bytes, even from the machine's folder, where %d are allowed", *p, len(short), maxSocketPath)
			}
			*p = short
		}
	}
	return nets, nil
}

// relative finds the way from a folder to a file. The file need not be there,
// its folder must.
func relative(dir, file string) (string, error) {
	from, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	return filepath.Rel(from, filepath.Join(to, filepath.Base(file)))
}
