// Package diag collects problems found in files that people write and shows
// each with its place: file, line, column, field path, and the source line
// with a caret under the column.
//
// A Report is filled by one goroutine; nothing here is safe for concurrent use.
package diag

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Pos is a place in a file. Line and Col count from 1, Col in Unicode code
// points, as YAML decoders do. Line 0 means the file as a whole, Col 0 the
// line as a whole.
type Pos struct {
	File string
	Line int
	Col  int
}

// String returns "file:line:col", or less where less is known.
func (p Pos) String() string {
	switch {
	case p.Line <= 0:
		return p.File
	case p.Col <= 0:
		return p.File + ":" + strconv.Itoa(p.Line)
	default:
		return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
	}
}

// Severity says whether a problem stops the work.
type Severity int

// The severities. Only Error makes Report.Err return an error.
const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Problem is one thing that is wrong. Path is the field path, for example
// "nodes[2].address"; it may be empty.
type Problem struct {
	Pos      Pos
	Path     string
	Message  string
	Severity Severity
}

// String returns "file:line:col: path: message" on one line, with "warning: "
// before the message of a warning. Parts that are unknown are left out, and
// control characters are shown escaped so that a file cannot drive a terminal.
func (p Problem) String() string {
	var parts []string
	if at := p.Pos.String(); at != "" {
		parts = append(parts, at)
	}
	if p.Path != "" {
		parts = append(parts, p.Path)
	}
	if p.Severity == Warning {
		parts = append(parts, p.Severity.String())
	}
	return printable(strings.Join(append(parts, p.Message), ": "))
}

// Report is a list of problems and the sources they lie in. The zero value is
// an empty report.
type Report struct {
	Problems []Problem

	sources map[string][]string // file -> lines without their line ends
}

// AddSource gives the content of a file, so that Write can show its lines.
// The name must be the one that positions use.
func (r *Report) AddSource(file string, content []byte) {
	if r.sources == nil {
		r.sources = make(map[string][]string)
	}
	lines := strings.Split(string(content), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	r.sources[file] = lines
}

// Errorf adds an error. The message is lower case, without a full stop, and
// says what is allowed.
func (r *Report) Errorf(pos Pos, path, format string, args ...any) {
	r.add(pos, path, Error, format, args)
}

// Warnf adds a warning, which does not make the report an error.
func (r *Report) Warnf(pos Pos, path, format string, args ...any) {
	r.add(pos, path, Warning, format, args)
}

func (r *Report) add(pos Pos, path string, severity Severity, format string, args []any) {
	r.Problems = append(r.Problems, Problem{
		Pos:      pos,
		Path:     path,
		Message:  fmt.Sprintf(format, args...),
		Severity: severity,
	})
}

// HasErrors reports whether any problem is an error.
func (r *Report) HasErrors() bool {
	return slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Severity == Error })
}

// Err returns nil for a report without errors, else a *ReportError.
func (r *Report) Err() error {
	if !r.HasErrors() {
		return nil
	}
	return &ReportError{Report: r}
}

// ReportError is a report that holds at least one error, as an error.
// errors.As finds it, and its report can then be written with carets.
type ReportError struct {
	Report *Report
}

// Error lists all problems, warnings included, one per line.
func (e *ReportError) Error() string {
	lines := make([]string, len(e.Report.Problems))
	for i, p := range e.Report.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sort orders the problems by file, line and column. Problems at one place
// keep the order in which they were added.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Problems, func(a, b Problem) int {
		if c := strings.Compare(a.Pos.File, b.Pos.File); c != 0 {
			return c
		}
		if c := a.Pos.Line - b.Pos.Line; c != 0 {
			return c
		}
		return a.Pos.Col - b.Pos.Col
	})
}

// printable escapes what is not a visible character or a plain space.
func printable(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if hidden(c) {
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func hidden(c rune) bool {
	return c == unicode.ReplacementChar || !unicode.IsPrint(c)
}
