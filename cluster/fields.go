package cluster

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is what the struct tags say of one key. The decoder checks by it, and
// the JSON Schema and the reference are made from it, so that they agree.
type field struct {
	name        string // the key
	description string
	index       int // of the struct field
	required    bool
	min, max    *int     // of a whole number
	enum        []string // of a string, or of the items of a list
	minItems    int      // of a list
}

// fields is the shape of one struct of the definition.
type fields struct {
	list   []field
	byName map[string]int // key -> place in list
	sorted []string       // the keys, for messages
}

// fieldsOf reads the tags of a struct. It panics on a tag that it does not
// know, which a test meets first.
func fieldsOf(t reflect.Type) *fields {
	out := &fields{byName: map[string]int{}}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		f := field{name: name, index: i, description: sf.Tag.Get("jsonschema_description")}
		for _, rule := range strings.Split(sf.Tag.Get("jsonschema"), ",") {
			f.rule(t, rule)
		}
		out.byName[name] = len(out.list)
		out.list = append(out.list, f)
		out.sorted = append(out.sorted, name)
	}
	slices.Sort(out.sorted)
	return out
}

func (f *field) rule(t reflect.Type, rule string) {
	key, value, _ := strings.Cut(rule, "=")
	number := func() int {
		n, err := strconv.Atoi(value)
		if err != nil {
			panic("cluster: rule " + rule + " of " + t.Name() + "." + f.name + " is not a number")
		}
		return n
	}
	switch key {
	case "required":
		f.required = true
	case "minimum":
		n := number()
		f.min = &n
	case "maximum":
		n := number()
		f.max = &n
	case "minItems":
		f.minItems = number()
	case "enum":
		f.enum = append(f.enum, value)
	case "", "pattern": // for the schema alone
	default:
		panic("cluster: unknown rule " + rule + " of " + t.Name() + "." + f.name)
	}
}

// nearest finds the name that a mistyped one most likely meant: the same
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

// didYouMean is the end of a message about an unknown word, where one is near.
func didYouMean(key string, names []string) string {
	if near := nearest(key, names); near != "" {
		return "; did you mean " + strconv.Quote(near) + "?"
	}
	return ""
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
