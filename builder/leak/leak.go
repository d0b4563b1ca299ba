// Package leak is the gate that nothing secret or machine-bound passes on its
// way into an image. It reads the tar stream of a tree, as package tree writes
// it, once, and lists everything that must not be there with its path: private
// keys, tokens, passwords, host keys, machine ids, history, what package
// managers and cloud-init leave behind, traces of the machine that bakes, rights
// that nobody asked for, and the values of given secrets in any usual encoding.
//
// What a finding is, is said by rules about paths (paths.go), about content in
// general (patterns.go) and about given values (values.go). Content is searched
// by fixed strings that such things begin with, of which every fourth position
// is looked up in a table (anchors.go), so a gigabyte takes about a second.
//
// A tree that depends on other inputs than another is scanned by itself: the
// root when it is made, the cluster's tree at each bake. Values of secrets must
// be looked for in the root too where something of the user's own is in it (a
// program from a file, a container image): then whenever the set of values or
// the root is a new one. A root of nothing but public packages and modules
// cannot have them, for the key store is none of its inputs.
package leak

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Secret is a value that must be nowhere in a tree, as it is or in hexadecimal
// or Base64, whatever stands around it.
//
// Of a long value, 32 bytes from its middle are looked for. Of a private key,
// the value is its private number (the scalar, or a prime): it is in every
// encoding of the key, of which most else is not secret.
type Secret struct {
	Name  string // for people, such as "lab0: apiserver key"
	Value []byte // at least MinValue bytes
}

// Traces are what would tell of the machine that bakes, and of who sits there.
type Traces struct {
	Host string // its name
	User string // the login name
	Home string // the path of the home folder
}

// Config says what is looked for besides what is always looked for.
type Config struct {
	Secrets []Secret
	Traces  Traces
	Allow   []Allowed // besides those of the base: see Known
}

// Finding is one thing in one file that must not be there.
type Finding struct {
	Path string
	What string
}

func (f Finding) String() string { return f.Path + ": " + f.What }

// Error is what a scan has found, ordered by path.
type Error struct{ Findings []Finding }

// Error has a line for each finding.
func (e *Error) Error() string {
	lines := []string{"this must not be in an image:"}
	for _, f := range e.Findings {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n  ")
}

// small is the size in bytes up to which a file is held in memory as a whole,
// and is looked at more closely.
const small = 1 << 20

// overlap is how much of a chunk is seen again with the next, in bytes: as much
// as a pattern may need to be recognised.
const overlap = 4 << 10

// Scan reads a tree. An error of type [*Error] lists what it has found. The
// whole stream is read, whatever is found.
func Scan(ctx context.Context, stream io.Reader, c Config) error {
	s, err := newScanner(c)
	if err != nil {
		return fmt.Errorf("looking for leaks: %w", err)
	}
	r := tar.NewReader(stream)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = s.file(h, r)
		}
		if err != nil {
			return fmt.Errorf("looking for leaks: %w", err)
		}
	}
	// The padding that follows, so that who writes it is not left waiting.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return fmt.Errorf("looking for leaks: %w", err)
	}
	if len(s.findings) == 0 {
		return nil
	}
	slices.SortFunc(s.findings, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
	return &Error{Findings: slices.Compact(s.findings)}
}

// scanner is a scan under way.
type scanner struct {
	c        Config
	allow    []Allowed
	anchors  *anchors
	values   *values
	buffer   []byte
	path     string
	program  bool // whether the file is an ELF object
	findings []Finding
}

func newScanner(c Config) (*scanner, error) {
	values, err := newValues(c.Secrets)
	if err != nil {
		return nil, err
	}
	s := &scanner{c: c, values: values, allow: append(Known(), c.Allow...), buffer: make([]byte, small+overlap)}
	for _, a := range s.allow {
		if _, err := path.Match(a.Path, ""); err != nil {
			return nil, fmt.Errorf("what is allowed: %q: %w", a.Path, err)
		}
	}
	list := patterns()
	if p, ok := homePattern(c.Traces); ok {
		list = append(list, p)
	}
	s.anchors = newAnchors(list)
	return s, nil
}

// found notes a finding, unless it is known and allowed.
func (s *scanner) found(what string) {
	// In programs all strings stand one after the other, without anything
	// between them: what comes after the word says nothing.
	if what == Bearer && s.program {
		return
	}
	for _, a := range s.allow {
		if ok, _ := path.Match(a.Path, s.path); ok && a.What == what {
			return
		}
	}
	s.findings = append(s.findings, Finding{s.path, what})
}

// file looks at one path of the tree.
func (s *scanner) file(h *tar.Header, content io.Reader) error {
	s.path = path.Clean("/" + h.Name)
	s.attributes(h)
	s.name(h)
	if h.Typeflag != tar.TypeReg || h.Size == 0 {
		return nil
	}
	kept := 0 // bytes at the buffer's beginning that were seen with the last chunk
	for left := h.Size; left > 0; {
		n, err := io.ReadFull(content, s.buffer[kept:min(int64(len(s.buffer)), int64(kept)+left)])
		if err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
		left -= int64(n)
		chunk := s.buffer[:kept+n]
		if kept == 0 {
			s.program = bytes.HasPrefix(chunk, []byte("\x7fELF"))
		}
		s.chunk(chunk, left == 0)
		if h.Size <= small {
			s.whole(chunk)
			return nil
		}
		kept = copy(s.buffer, chunk[max(0, len(chunk)-overlap):])
	}
	return nil
}

// chunk looks for patterns and values in a part of a file.
func (s *scanner) chunk(data []byte, last bool) {
	s.anchors.search(data, last, s.found)
	s.values.search(data, func(secret string) { s.found("secret of the cluster (" + secret + ")") })
}
