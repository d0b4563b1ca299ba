package cluster

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference gives the reference of the definition as Markdown: a table of
// every key with its type, default and description, made from the types as
// [Schema] is.
func Reference() []byte {
	defaults := Definition{}
	ApplyDefaults(&defaults)
	r := &reference{}
	r.b.WriteString("# cluster.yaml\n\n" +
		"Every key of a cluster definition. Made from the types by `go test ./cluster -update`; do not edit.\n" +
		"Editors can use [the schema](cluster.schema.json), which `ingot schema` prints.\n\n" +
		"A duration is Go's notation with two more units, `d` for 24 hours and `y` for 365 days: `90m`, `30d12h`, `10y`.\n" +
		"Paths of other files are relative to the definition's folder and stay below it.\n")
	r.section("", reflect.ValueOf(defaults))
	return []byte(r.b.String())
}

type reference struct {
	b strings.Builder
}

// section writes the table of one struct, then those of the structs in it.
func (r *reference) section(path string, v reflect.Value) {
	title := "The definition"
	if path != "" {
		title = "`" + path + "`"
	}
	fmt.Fprintf(&r.b, "\n## %s\n\n| key | type | default | description |\n| --- | --- | --- | --- |\n", title)
	shape := fieldsOf(v.Type())
	for i := range shape.list {
		f := &shape.list[i]
		fmt.Fprintf(&r.b, "| `%s` | %s | %s | %s |\n", f.name, typeName(f, v.Field(f.index).Type()), defaultName(f, v.Field(f.index)), cell(f.description))
	}
	for i := range shape.list {
		f := &shape.list[i]
		t, suffix := v.Field(f.index).Type(), ""
		value := v.Field(f.index)
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			if t.Kind() == reflect.Slice {
				suffix = "[]"
			}
			t = t.Elem()
			value = reflect.Zero(t)
		}
		if t.Kind() == reflect.Struct {
			r.section(join(path, f.name)+suffix, value)
		}
	}
}

// typeName says what a key takes.
func typeName(f *field, t reflect.Type) string {
	if t == reflect.TypeFor[Duration]() {
		return "duration"
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var name string
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		name = "number"
		if f.min != nil || f.max != nil {
			name += ", " + span(f)
		}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Bool {
			return "true or false by name"
		}
		return "strings by name"
	case reflect.Slice:
		name = "list"
		if t.Elem().Kind() == reflect.String {
			name = "list of strings"
		}
	case reflect.Struct:
		return "section"
	default:
		name = "string"
	}
	if f.enum != nil {
		words := "`" + strings.Join(f.enum, "`, `") + "`"
		if t.Kind() == reflect.Slice {
			return "list of " + words
		}
		return words
	}
	return name
}

func defaultName(f *field, v reflect.Value) string {
	if f.required {
		return "required"
	}
	value, ok := defaultOf(v)
	switch {
	case dependent(f.description):
		return "see there"
	case ok && v.Kind() == reflect.Slice:
		return "`[" + strings.Trim(fmt.Sprint(value), "[]") + "]`"
	case ok && v.Kind() != reflect.Struct:
		return fmt.Sprintf("`%v`", value)
	case v.Kind() == reflect.Bool:
		return "`false`"
	case v.Kind() == reflect.Int && f.min != nil && *f.min == 0:
		return "`0`"
	}
	return ""
}

// cell escapes what would end a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(s)
}
