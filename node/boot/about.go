package boot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// name is what names of clusters and images are made of.
var name = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,79}$`)

// readMedium reads what a medium has in a folder, and holds it against the
// kernel line: another boot ISO is none for this machine.
func readMedium(dir string, l *line) (*medium, error) {
	m := &medium{}
	data, err := readSmall(filepath.Join(dir, aboutFile))
	if err != nil {
		return nil, fmt.Errorf("it is no boot ISO: %w", err)
	}
	if err := json.Unmarshal(data, &m.about); err != nil {
		return nil, fmt.Errorf("reading %s: %w", aboutFile, err)
	}
	if !name.MatchString(m.about.Cluster) || !name.MatchString(m.about.Image) {
		return nil, fmt.Errorf("reading %s: it names no image of a cluster", aboutFile)
	}
	f, err := os.Open(filepath.Join(dir, diskFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != m.about.Disk.Size {
		return nil, fmt.Errorf("%s has %d bytes, and should have %d", diskFile, info.Size(), m.about.Disk.Size)
	}
	if m.table, err = readTable(f, imageSector); err != nil {
		return nil, fmt.Errorf("reading %s: %w", diskFile, err)
	}
	if !m.table.has(l.guids()) {
		return nil, fmt.Errorf("it has image %s of cluster %s, which is not the one that was started", m.about.Image, m.about.Cluster)
	}
	return m, nil
}

// maxSmall bounds the small files that are read, in bytes.
const maxSmall = 64 << 10

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(f, maxSmall+1)); err != nil || n > maxSmall {
		return nil, errors.Join(fmt.Errorf("reading %s: more than %d bytes, or none that can be read", filepath.Base(path), maxSmall), err)
	}
	return b.Bytes(), nil
}
