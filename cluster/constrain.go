package cluster

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// constrain checks a value that was given against the rules of its field.
// Values of defaults are not checked here: zero stands for "not given" in the
// types, so a zero that was given must be found before defaults are applied.
func (d *decoder) constrain(f *field, n *yaml.Node, v reflect.Value, path string) {
	if v.Type() == reflect.TypeFor[Duration]() && v.Int() == 0 {
		d.fail(n, path, "must be more than 0")
		return
	}
	switch v.Kind() {
	case reflect.Int:
		if i := int(v.Int()); f.min != nil && i < *f.min || f.max != nil && i > *f.max {
			d.fail(n, path, "%d is not allowed (%s)", i, span(f))
		} else if f.enum != nil && !slices.Contains(f.enum, strconv.Itoa(i)) {
			d.fail(n, path, "%d is not allowed (%s)", i, strings.Join(f.enum, ", "))
		}
	case reflect.String:
		if f.required && v.Len() == 0 {
			d.fail(n, path, "is empty")
		} else if v.Len() > 0 {
			d.oneOf(f, n, v.String(), path)
		}
	case reflect.Slice:
		if v.Len() < f.minItems {
			d.fail(n, path, "is an empty list, want at least %d", f.minItems)
		}
		items := follow(n).Content
		for i := range v.Len() {
			if f.enum != nil {
				d.oneOf(f, items[i], v.Index(i).String(), element(path, i))
			}
		}
	}
}

func (d *decoder) oneOf(f *field, n *yaml.Node, value, path string) {
	if f.enum != nil && !slices.Contains(f.enum, value) {
		d.fail(n, path, "%s is unknown (allowed: %s)%s", quoted(value), strings.Join(f.enum, ", "), didYouMean(value, f.enum))
	}
}

// span says which numbers a field allows.
func span(f *field) string {
	switch {
	case f.min != nil && f.max != nil:
		return strconv.Itoa(*f.min) + " to " + strconv.Itoa(*f.max)
	case f.min != nil:
		return strconv.Itoa(*f.min) + " or more"
	default:
		return strconv.Itoa(*f.max) + " or less"
	}
}

// join and element make the field paths of problems.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// kindName says what a node is, where something else is wanted.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return quoted(n.Value)
	case yaml.AliasNode:
		return "an alias"
	default:
		return "nothing"
	}
}

func lowerFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[size:])
	if unicode.IsUpper(second) {
		return s // an abbreviation such as DNS or IP
	}
	return string(unicode.ToLower(r)) + s[size:]
}

// given reports whether a value stands in the definition.
func (d *decoder) given(path string) bool {
	_, ok := d.pos[path]
	return ok && !d.nulls[path]
}
