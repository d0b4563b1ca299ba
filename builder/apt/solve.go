package apt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Package is one package file of an archive.
type Package struct {
	Name         string
	Version      string
	Architecture string
	SHA256       string // of the file, in hexadecimal
	Size         int64  // of the file in bytes
	Archive      Archive
	File         string // path below the archive's mirror
}

// MissingError names packages that the archives do not have.
type MissingError struct{ Names []string }

func (e *MissingError) Error() string {
	return "no such package: " + strings.Join(e.Names, ", ")
}

// Solve lets apt choose the packages for a system that has nothing installed:
// the essential ones, the named ones and what they depend on; recommendations
// are not followed. Versions in pins (name -> version) are kept where the
// archives have them. The result is ordered by name.
func (s *State) Solve(ctx context.Context, names []string, pins map[string]string) ([]Package, error) {
	if err := s.pin(pins); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	argv := append([]string{"apt-get", "install", "--print-uris", "-q", "-y", "-o", "Acquire::ForceHash=sha256", "--", "?essential"}, names...)
	if err := s.run(ctx, &out, argv...); err != nil {
		var failed *run.Error
		if ctx.Err() == nil && errors.As(err, &failed) && failed.ExitCode > 0 {
			missing, merr := s.missing(ctx, names)
			if merr != nil {
				return nil, merr
			}
			if len(missing) > 0 {
				return nil, &MissingError{Names: missing}
			}
		}
		return nil, &ConflictError{Packages: conflicts(out.String()), Err: err}
	}
	packages, err := s.parseURIs(out.String())
	if err != nil {
		return nil, fmt.Errorf("choosing packages: %w", err)
	}
	return packages, nil
}

// Find finds the package files of names alone, without what these depend on.
// Versions in pins are kept as by Solve. The result is ordered by name.
func (s *State) Find(ctx context.Context, names []string, pins map[string]string) ([]Package, error) {
	if err := s.pin(pins); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	argv := append([]string{"apt-get", "download", "--print-uris", "-q", "-o", "Acquire::ForceHash=sha256", "--"}, names...)
	if err := s.run(ctx, &out, argv...); err != nil {
		return nil, fmt.Errorf("finding packages: %w", err)
	}
	packages, err := s.parseURIs(out.String())
	if err != nil {
		return nil, fmt.Errorf("finding packages: %w", err)
	}
	if len(packages) != len(names) {
		return nil, fmt.Errorf("finding packages: apt gave %d of %d", len(packages), len(names))
	}
	return packages, nil
}

// pin makes apt prefer the given versions, above all others (apt_preferences(5)).
func (s *State) pin(pins map[string]string) error {
	names := make([]string, 0, len(pins))
	for name := range pins {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "Package: %s\nPin: version %s\nPin-Priority: 1001\n\n", name, pins[name])
	}
	if err := atomicfile.WriteNoSync(filepath.Join(s.dir, "etc", "preferences.d", "ingot.pref"), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("pinning versions: %w", err)
	}
	return nil
}

// Depends lists what packages need directly: the first choice of each
// alternative, and others that are given with it.
func (s *State) Depends(ctx context.Context, names []string) ([]string, error) {
	var out bytes.Buffer
	argv := append([]string{"apt-cache", "depends", "--important", "--no-suggests", "--"}, names...)
	if err := s.run(ctx, &out, argv...); err != nil {
		return nil, fmt.Errorf("reading dependencies: %w", err)
	}
	var needed []string
	for line := range strings.Lines(out.String()) {
		kind, name, ok := strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "|"), ": ")
		if ok && (kind == "Depends" || kind == "PreDepends") && !strings.HasPrefix(name, "<") {
			needed = append(needed, name)
		}
	}
	return needed, nil
}

// missing finds the names that have no package to install.
func (s *State) missing(ctx context.Context, names []string) ([]string, error) {
	var out bytes.Buffer
	if err := s.run(ctx, &out, append([]string{"apt-cache", "policy", "--"}, names...)...); err != nil {
		return nil, fmt.Errorf("looking for packages: %w", err)
	}
	has, current := map[string]bool{}, ""
	for line := range strings.Lines(out.String()) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutSuffix(line, ":"); ok && !strings.HasPrefix(line, " ") {
			current = name
		} else if version, ok := strings.CutPrefix(line, "  Candidate: "); ok && version != "(none)" {
			has[current] = true
		}
	}
	var missing []string
	for _, name := range names {
		if !has[name] {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// ConflictError says that apt found no set of packages that go together.
type ConflictError struct {
	Packages string // what apt says about them; may be empty
	Err      error
}

func (e *ConflictError) Error() string {
	if e.Packages == "" {
		return fmt.Sprintf("choosing packages: %v", e.Err)
	}
	return fmt.Sprintf("choosing packages: %v: %s", e.Err, e.Packages)
}

// Unwrap returns the error of apt.
func (e *ConflictError) Unwrap() error { return e.Err }

// conflicts is the part of apt's output that says what does not go together.
func conflicts(out string) string {
	_, after, ok := strings.Cut(out, "unmet dependencies:\n")
	if !ok {
		return ""
	}
	return strings.Join(strings.Fields(after), " ")
}

// uriLine is a line of apt-get --print-uris.
var uriLine = regexp.MustCompile(`^'([^']+)' ([^ ]+)_([^ _]+)_([a-z0-9]+)\.deb ([0-9]+) SHA256:([0-9a-f]{64})$`)

// parseURIs reads what apt would download: 'URI' name_version_arch.deb size SHA256:hash.
func (s *State) parseURIs(out string) ([]Package, error) {
	var packages []Package
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "'") {
			continue // what apt is doing
		}
		m := uriLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			return nil, fmt.Errorf("apt gave %q, which is no package with a SHA-256", strings.TrimRight(line, "\n"))
		}
		p := Package{Architecture: m[4], SHA256: m[6]}
		var err error
		// apt writes the colon of an epoch and the like as %3a.
		if p.Name, err = url.PathUnescape(m[2]); err != nil {
			return nil, err
		}
		if p.Version, err = url.PathUnescape(m[3]); err != nil {
			return nil, err
		}
		if p.Size, err = strconv.ParseInt(m[5], 10, 64); err != nil {
			return nil, err
		}
		if p.Archive, p.File, err = s.split(m[1]); err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		return nil, errors.New("apt chose no package")
	}
	sort.Slice(packages, func(a, b int) bool { return packages[a].Name < packages[b].Name })
	return packages, nil
}

// split turns an address into an archive and the path below its mirror.
func (s *State) split(uri string) (Archive, string, error) {
	for _, archive := range []Archive{Main, Security} {
		if rest, ok := strings.CutPrefix(uri, s.mirrors[archive].URI+"/"); ok {
			file, err := url.PathUnescape(rest)
			return archive, file, err
		}
	}
	return "", "", fmt.Errorf("apt gave %q, which is below none of its mirrors", uri)
}
