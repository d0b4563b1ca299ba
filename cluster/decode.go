package cluster

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/diag"
	"go.yaml.in/yaml/v3"
)

// Limits that keep a hostile or broken definition from using up the machine:
// aliases can make a small file very large.
const (
	maxDepth  = 32
	maxValues = 200_000
)

// decoder turns YAML nodes into values, strictly: unknown and duplicate keys
// and values of the wrong kind are problems. It goes on after a problem, so
// that a person sees all of them at once, and remembers where each value stood.
type decoder struct {
	file   string
	report *diag.Report
	pos    map[string]diag.Pos // field path -> position of its value
	keys   map[string]diag.Pos // field path -> position of its key
	values int
}

func newDecoder(file string, report *diag.Report) *decoder {
	return &decoder{file: file, report: report, pos: map[string]diag.Pos{}, keys: map[string]diag.Pos{}}
}

func (d *decoder) at(n *yaml.Node) diag.Pos {
	return diag.Pos{File: d.file, Line: n.Line, Col: n.Column}
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.report.Errorf(d.at(n), path, format, args...)
}

// decode stores node n in v, which is addressable.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string, depth int) {
	at := n
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	d.values++
	if depth > maxDepth || d.values > maxValues {
		if d.values <= maxValues+1 || depth > maxDepth {
			d.fail(at, path, "nested or repeated too often (limits: depth %d, %d values)", maxDepth, maxValues)
		}
		d.values = maxValues + 1
		return
	}
	d.pos[path] = d.at(at)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // an empty value is the same as none
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if n.Kind != yaml.ScalarNode {
			d.fail(at, path, "is %s, want a string", kindName(n))
		} else if err := u.UnmarshalText([]byte(n.Value)); err != nil {
			d.fail(at, path, "%s", err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.decode(n, p.Elem(), path, depth)
		v.Set(p)
	case reflect.Struct:
		d.decodeStruct(n, v, path, depth)
	case reflect.Map:
		d.decodeMap(n, v, path, depth)
	case reflect.Slice:
		d.decodeSlice(n, v, path, depth)
	default:
		d.decodeScalar(n, at, v, path)
	}
}

func (d *decoder) decodeScalar(n, at *yaml.Node, v reflect.Value, path string) {
	want := map[reflect.Kind]string{reflect.String: "a string", reflect.Int: "a whole number", reflect.Bool: "true or false"}[v.Kind()]
	if n.Kind != yaml.ScalarNode {
		d.fail(at, path, "is %s, want %s", kindName(n), want)
		return
	}
	switch v.Kind() {
	case reflect.String:
		// Numbers and booleans are taken as they are written: a label
		// "disk: 1" means the text 1. A float or a date could be changed by
		// YAML's own reading, so the text as written is the safe one too.
		v.SetString(n.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil || n.Tag != "!!int" {
			d.fail(at, path, "%q is not %s", n.Value, want)
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil || n.Tag != "!!bool" {
			d.fail(at, path, "%q is not %s", n.Value, want)
			return
		}
		v.SetBool(b)
	default:
		panic("cluster: no decoding for " + v.Kind().String())
	}
}

func (d *decoder) decodeSlice(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "is %s, want a list", kindName(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.decode(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1)
	}
	v.Set(out)
}

func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value, path string, depth int) {
	out := reflect.MakeMap(v.Type())
	d.eachPair(n, path, depth, func(key *yaml.Node, value *yaml.Node) {
		sub := join(path, key.Value)
		elem := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, elem, sub, depth+1)
		out.SetMapIndex(reflect.ValueOf(key.Value), elem)
	})
	v.Set(out)
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, path string, depth int) {
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		fields[name] = i
		names = append(names, name)
	}
	d.eachPair(n, path, depth, func(key *yaml.Node, value *yaml.Node) {
		i, ok := fields[key.Value]
		if !ok {
			hint := ""
			if near := nearest(key.Value, names); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			slices.Sort(names)
			d.fail(key, join(path, key.Value), "unknown key (allowed: %s)%s", strings.Join(names, ", "), hint)
			return
		}
		d.decode(value, v.Field(i), join(path, key.Value), depth+1)
	})
}

// eachPair calls f for every key of a mapping. A key given twice is a problem
// and its first value counts; keys of a merge (<<) count where the mapping
// does not have them itself.
func (d *decoder) eachPair(n *yaml.Node, path string, depth int, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "is %s, want keys and values", kindName(n))
		return
	}
	seen := map[string]*yaml.Node{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			d.fail(key, path, "a key is %s, want a string", kindName(key))
			continue
		}
		if first, dup := seen[key.Value]; dup {
			d.fail(key, join(path, key.Value), "duplicate key, first given in line %d", first.Line)
			continue
		}
		seen[key.Value] = key
		d.keys[join(path, key.Value)] = d.at(key)
		f(key, value)
	}
	for _, m := range merges {
		d.merge(m, path, depth, seen, f)
	}
}

// merge applies the value of a << key: a mapping, or a list of them of which earlier ones win.
func (d *decoder) merge(m *yaml.Node, path string, depth int, seen map[string]*yaml.Node, f func(key, value *yaml.Node)) {
	for m.Kind == yaml.AliasNode && m.Alias != nil {
		m = m.Alias
	}
	if d.values++; depth > maxDepth || d.values > maxValues {
		return
	}
	if m.Kind == yaml.SequenceNode {
		for _, item := range m.Content {
			d.merge(item, path, depth+1, seen, f)
		}
		return
	}
	d.eachPair(m, path, depth+1, func(key, value *yaml.Node) {
		if _, has := seen[key.Value]; !has {
			seen[key.Value] = key
			f(key, value)
		}
	})
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return fmt.Sprintf("%q", n.Value)
	default:
		return "nothing"
	}
}

// nearest finds the name that a mistyped key most likely meant: the same
// letters in another case, or at most two changes away.
func nearest(key string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		if strings.EqualFold(name, key) {
			return name
		}
		if d := editDistance(key, name); d < distance && d < len(name) {
			best, distance = name, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance of two short strings, in bytes.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
