package cluster

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/diag"
	"go.yaml.in/yaml/v3"
)

// Limits that keep a hostile or broken definition from using up the machine:
// aliases can make a small file very large.
const (
	maxDepth  = 32
	maxValues = 400_000 // 5,500 nodes with 70 values each
)

// decoder turns YAML nodes into values, strictly: unknown and duplicate keys
// and values of the wrong kind are problems. It goes on after a problem, so
// that a person sees all of them at once, and remembers where each value stood.
type decoder struct {
	file     string
	report   *diag.Report
	pos      map[string]diag.Pos // field path -> position of its value
	keys     map[string]diag.Pos // field path of a free key, such as that of a label -> position of the key
	nulls    map[string]bool     // field paths that are there without a value
	shapes   map[reflect.Type]*fields
	values   int
	overflow bool // a limit was passed and reported; nothing more is decoded
}

func newDecoder(file string, report *diag.Report) *decoder {
	return &decoder{
		file: file, report: report,
		pos: map[string]diag.Pos{}, keys: map[string]diag.Pos{}, nulls: map[string]bool{}, shapes: map[reflect.Type]*fields{},
	}
}

func (d *decoder) at(n *yaml.Node) diag.Pos {
	return diag.Pos{File: d.file, Line: n.Line, Col: n.Column}
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.report.Errorf(d.at(n), path, format, args...)
}

func (d *decoder) shape(t reflect.Type) *fields {
	s, ok := d.shapes[t]
	if !ok {
		s = fieldsOf(t)
		d.shapes[t] = s
	}
	return s
}

// spend counts one value, and reports the one that is too many. It gives
// false when decoding has to stop.
func (d *decoder) spend(n *yaml.Node, path string, depth int) bool {
	if d.overflow {
		return false
	}
	d.values++
	if depth > maxDepth || d.values > maxValues {
		d.overflow = true
		d.fail(n, path, "nested too deep or repeated too often by aliases (limits: depth %d, %d values)", maxDepth, maxValues)
		return false
	}
	return true
}

// follow resolves an alias to the node that it stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// isNull reports a value that is there but empty, which is the same as none.
func isNull(n *yaml.Node) bool {
	n = follow(n)
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0
}

// untagged reports explicit tags: !!binary and custom ones change what a
// value means. Only !!str changes nothing that is not written there already.
func (d *decoder) untagged(n, at *yaml.Node, path string) bool {
	if n.Style&yaml.TaggedStyle == 0 || n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return true
	}
	d.fail(at, path, "the tag %s is not allowed; write the plain value", quoted(n.Tag))
	return false
}

// decode stores node n in v, which is addressable.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string, depth int) {
	if !d.spend(n, path, depth) {
		return
	}
	d.pos[path] = d.at(n)
	at := n
	n = follow(n)
	if isNull(n) {
		d.nulls[path] = true
		return
	}
	if !d.untagged(n, at, path) {
		return
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
		d.decodeInto(n, at, p.Elem(), path, depth)
		v.Set(p)
	default:
		d.decodeInto(n, at, v, path, depth)
	}
}

func (d *decoder) decodeInto(n, at *yaml.Node, v reflect.Value, path string, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, at, v, path, depth)
	case reflect.Map:
		d.decodeMap(n, at, v, path, depth)
	case reflect.Slice:
		d.decodeSlice(n, at, v, path, depth)
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
		// "disk: 1" means the text 1, a mode 0644 the text 0644. YAML's own
		// reading would change floats, dates and octal numbers.
		v.SetString(n.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		digits := strings.TrimLeft(n.Value, "+-")
		switch {
		case err == nil && len(digits) > 1 && digits[0] == '0':
			d.fail(at, path, "%s starts with a zero, which some read as octal; write it without", quoted(n.Value))
		case err != nil || n.Tag != "!!int":
			d.fail(at, path, "%s is not %s", quoted(n.Value), want)
		default:
			v.SetInt(int64(i))
		}
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil || n.Tag != "!!bool" {
			d.fail(at, path, "%s is not %s", quoted(n.Value), want)
			return
		}
		v.SetBool(b)
	default:
		panic("cluster: no decoding for " + v.Kind().String())
	}
}

func (d *decoder) decodeSlice(n, at *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.fail(at, path, "is %s, want a list", kindName(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		sub := element(path, i)
		d.decode(item, out.Index(i), sub, depth+1)
		if d.overflow {
			return
		}
		if isNull(item) || out.Index(i).Kind() == reflect.String && out.Index(i).Len() == 0 && follow(item).Kind == yaml.ScalarNode {
			d.fail(item, sub, "is empty")
		}
	}
	v.Set(out)
}

func (d *decoder) decodeMap(n, at *yaml.Node, v reflect.Value, path string, depth int) {
	out := reflect.MakeMap(v.Type())
	d.eachPair(n, at, path, depth, func(key, value *yaml.Node) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.keys[join(path, key.Value)] = d.at(key)
		d.decode(value, elem, join(path, key.Value), depth+1)
		out.SetMapIndex(reflect.ValueOf(key.Value), elem)
	})
	v.Set(out)
}

func (d *decoder) decodeStruct(n, at *yaml.Node, v reflect.Value, path string, depth int) {
	shape := d.shape(v.Type())
	given := make([]bool, len(shape.list))
	ok := d.eachPair(n, at, path, depth, func(key, value *yaml.Node) {
		sub := join(path, key.Value)
		i, known := shape.byName[key.Value]
		if !known {
			d.fail(key, sub, "unknown key (allowed: %s)%s", strings.Join(shape.sorted, ", "), didYouMean(key.Value, shape.sorted))
			return
		}
		f := &shape.list[i]
		given[i] = !isNull(value)
		before := len(d.report.Problems)
		d.decode(value, v.Field(f.index), sub, depth+1)
		if given[i] && len(d.report.Problems) == before {
			d.constrain(f, value, v.Field(f.index), sub)
		}
	})
	if !ok || d.overflow {
		return
	}
	for i := range shape.list {
		if f := &shape.list[i]; f.required && !given[i] {
			d.fail(at, join(path, f.name), "missing, and required: %s", lowerFirst(strings.TrimSuffix(f.description, ".")))
		}
	}
}

// eachPair calls f for every key of a mapping. A key given twice is a problem
// and its first value counts; keys of a merge (<<) count where the mapping
// does not have them itself. It gives false for what is not a mapping.
func (d *decoder) eachPair(n, at *yaml.Node, path string, depth int, f func(key, value *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		d.fail(at, path, "is %s, want keys and values", kindName(n))
		return false
	}
	seen := map[string]*yaml.Node{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content) && !d.overflow; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.fail(key, path, "a key is %s, want a string", kindName(key))
			continue
		}
		if !d.untagged(key, key, path) {
			continue
		}
		if hasPrivateKey(key.Value) {
			d.fail(key, path, "a key is a private key (not shown), which never belongs here")
			continue
		}
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if first, dup := seen[key.Value]; dup {
			d.fail(key, join(path, key.Value), "duplicate key, first given in line %d", first.Line)
			continue
		}
		seen[key.Value] = key
		f(key, value)
	}
	for _, m := range merges {
		d.merge(m, path, depth+1, seen, f)
	}
	return true
}

// merge applies the value of a << key: a mapping, or a list of them of which earlier ones win.
func (d *decoder) merge(m *yaml.Node, path string, depth int, seen map[string]*yaml.Node, f func(key, value *yaml.Node)) {
	if !d.spend(m, path, depth) {
		return
	}
	at := m
	m = follow(m)
	if m.Kind == yaml.SequenceNode {
		for _, item := range m.Content {
			d.merge(item, path, depth+1, seen, f)
		}
		return
	}
	d.eachPair(m, at, path, depth, func(key, value *yaml.Node) {
		if _, has := seen[key.Value]; !has {
			seen[key.Value] = key
			f(key, value)
		}
	})
}
