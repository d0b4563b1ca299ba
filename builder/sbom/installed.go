package sbom

import (
	"archive/tar"
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
)

// Package is a Debian package in a root file system.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
}

func (p Package) String() string { return p.Name + " " + p.Version }

// statusFile is dpkg's list of what is installed.
const statusFile = "/var/lib/dpkg/status"

// Installed reads what dpkg says of a root file system, a tar archive, ordered.
func Installed(r io.Reader) ([]Package, error) {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s was taken out of the base: nobody can say what is in the image", statusFile)
		}
		if err != nil {
			return nil, fmt.Errorf("reading dpkg's list: %w", err)
		}
		if path.Clean("/"+h.Name) == statusFile {
			return parseStatus(t)
		}
	}
}

// maxField is more than a line of the list has, in bytes.
const maxField = 1 << 20

// parseStatus reads dpkg's list: paragraphs of fields (deb-control(5)). What
// dpkg has removed is in it, too, and only its settings may be there.
func parseStatus(r io.Reader) ([]Package, error) {
	var out []Package
	var p Package
	there := false
	end := func() {
		if there && p.Name != "" && p.Version != "" {
			out = append(out, p)
		}
		p, there = Package{}, false
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxField)
	for lines.Scan() {
		if lines.Text() == "" {
			end()
			continue
		}
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "Package":
			p.Name = value
		case "Version":
			p.Version = value
		case "Architecture":
			p.Architecture = value
		case "Status": // want, error, state
			there = !strings.HasSuffix(value, " not-installed") && !strings.HasSuffix(value, " config-files")
		}
	}
	end()
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading dpkg's list: %w", err)
	}
	slices.SortFunc(out, byName)
	return out, nil
}

func byName(a, b Package) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Architecture, b.Architecture))
}

// Beyond compares what is installed with the packages of a lock: what is there
// and not locked, also where another version is, and what is locked and not
// there.
func Beyond(locked []lock.Package, installed []Package) (more, gone []Package) {
	there, known := map[Package]bool{}, map[Package]bool{}
	for _, p := range installed {
		there[p] = true
	}
	for _, l := range locked {
		p := Package{Name: l.Name, Version: l.Version, Architecture: l.Architecture}
		if known[p] = true; !there[p] {
			gone = append(gone, p)
		}
	}
	for _, p := range installed {
		if !known[p] {
			more = append(more, p)
		}
	}
	return more, gone
}
