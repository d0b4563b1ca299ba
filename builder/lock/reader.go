package lock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/diag"
	"go.yaml.in/yaml/v3"
)

// maxPackage bounds the size of a package file: 4 GiB.
const maxPackage = 4 << 30

const want256 = "64 hexadecimal digits in lower case"

// What values of a lock look like. None has a quote, a backslash, a space or a
// control character in it.
var (
	namePattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)             // Debian Policy 5.6.1
	versionPattern = regexp.MustCompile(`^([0-9]+:)?[0-9][0-9A-Za-z.+~:-]*$`) // Debian Policy 5.6.12
	archPattern    = regexp.MustCompile(`^(amd64|all)$`)
	archivePattern = regexp.MustCompile(`^(main|security)$`)
	filePattern    = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+~_/-]*\.deb$`)
	sha256Pattern  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	digestPattern  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	sumPattern     = regexp.MustCompile(`^h1:[0-9A-Za-z+/]{43}=$`)
	modulePattern  = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._~-]*(/[0-9A-Za-z._~-]+)*$`) // go.dev/ref/mod, "Module paths"
	plainPattern   = regexp.MustCompile(`^[!#-\[\]-~]+$`)                                    // visible ASCII without " and \
	// A canonical version of Go: semantic, and +incompatible where it has no go.mod.
	moduleVersionPattern = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+incompatible)?$`)
	datePattern          = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`)
)

// reader takes values out of YAML nodes and reports those it cannot take. A
// lock is written by a program: anchors and tags have no business in it.
type reader struct {
	file   string
	report *diag.Report
}

// fields has what to do with each key of a mapping. A key with a question
// mark at its end may be missing.
type fields map[string]func(n *yaml.Node, at string)

func (r *reader) fail(n *yaml.Node, at, format string, args ...any) {
	r.report.Errorf(diag.Pos{File: r.file, Line: n.Line, Col: n.Column}, at, format, args...)
}

// yamlLine is the line that the YAML package puts into its errors.
var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)

// document gives the root of the one document, or nil after reporting why not.
func (r *reader) document(data []byte) (root *yaml.Node) {
	var doc, more yaml.Node
	err := func() (err error) {
		defer func() { // the YAML package panics on some foreign input
			if p := recover(); p != nil {
				err = fmt.Errorf("yaml: %v", p)
			}
		}()
		dec := yaml.NewDecoder(bytes.NewReader(data))
		if err := dec.Decode(&doc); err != nil {
			return err
		}
		if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
			return errors.Join(err, errors.New("yaml: more than one document"))
		}
		return nil
	}()
	start := diag.Pos{File: r.file, Line: 1, Col: 1}
	switch {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		r.report.Errorf(start, "", "the lock is empty; remove it, and ingot lock makes a new one")
		return nil
	case err != nil:
		message := err.Error()
		if m := yamlLine.FindStringSubmatch(message); m != nil {
			if line, lerr := strconv.Atoi(m[1]); lerr == nil {
				start.Line = line
			}
			message = strings.TrimPrefix(message, m[0])
		}
		r.report.Errorf(start, "", "%s", message)
		return nil
	}
	return doc.Content[0]
}

// value finds a key of a mapping.
func value(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

// mapping takes the values of a mapping, each key at most once.
func (r *reader) mapping(n *yaml.Node, at string, want fields) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, at, "want keys and values")
		return
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		take, ok := want[key]
		if !ok {
			take, ok = want[key+"?"]
		}
		switch {
		case !ok || n.Content[i].Kind != yaml.ScalarNode || strings.HasSuffix(key, "?"):
			r.fail(n.Content[i], join(at, key), "unknown key (%s)", strings.Join(want.names(), ", "))
		case given[key]:
			r.fail(n.Content[i], join(at, key), "given twice")
		default:
			given[key] = true
			take(n.Content[i+1], join(at, key))
		}
	}
	for _, key := range want.names() {
		if _, must := want[key]; must && !given[key] {
			r.fail(n, join(at, key), "missing")
		}
	}
}

func (f fields) names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, strings.TrimSuffix(name, "?"))
	}
	sort.Strings(names)
	return names
}

// list takes the items of a list, of which no two may have the same key.
func list[T any](r *reader, n *yaml.Node, at string, take func(n *yaml.Node, at string) (T, string)) []T {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, at, "want a list")
		return nil
	}
	var out []T
	seen := map[string]bool{}
	for i, item := range n.Content {
		sub := fmt.Sprintf("%s[%d]", at, i)
		v, key := take(item, sub)
		if key != "" && seen[key] {
			r.fail(item, sub, "%q is given twice", key)
		}
		seen[key] = true
		out = append(out, v)
	}
	return slices.Clip(out)
}

// text takes a string of the given form; want names the form.
func (r *reader) text(n *yaml.Node, at string, pattern *regexp.Regexp, want string) string {
	if n.Kind != yaml.ScalarNode || n.Style&yaml.TaggedStyle != 0 || !pattern.MatchString(n.Value) {
		r.fail(n, at, "%q is not %s", n.Value, want)
		return ""
	}
	return n.Value
}

// number takes a decimal number in a range.
func (r *reader) number(n *yaml.Node, at string, low, high int64) int64 {
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Style&yaml.TaggedStyle != 0 || err != nil || i < low || i > high {
		r.fail(n, at, "%q is not a number from %d to %d", n.Value, low, high)
		return 0
	}
	return i
}
