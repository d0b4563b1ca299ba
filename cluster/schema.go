package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// schemaID is the name of the schema, by which editors and catalogues know it.
const schemaID = "https://github.com/ingot-k8s/ingot/docs/reference/cluster.schema.json"

// durationPattern is the notation of [Duration].
const durationPattern = `^([0-9]+y)?([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`

// Schema gives the JSON Schema (draft 2020-12) of a cluster definition, made
// from the types: kinds, required keys, allowed words, limits, defaults and
// descriptions. What it cannot say, such as that two names differ, only
// [Load] checks.
func Schema() ([]byte, error) {
	r := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Mapper:                     schemaOf,
	}
	s := r.Reflect(&Definition{})
	s.ID = schemaID
	s.Title = "Ingot cluster definition"
	s.Description = "The content of clusters/NAME/cluster.yaml. Everything that is not given gets its default; nothing that can be derived is typed."
	defaults := Definition{}
	ApplyDefaults(&defaults)
	describe(s, s.Definitions, reflect.ValueOf(defaults))
	unquotedMode(s.Definitions["File"])
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("encoding schema: %w", err)
	}
	return b.Bytes(), nil
}

// schemaOf gives the schema of types that are not what Go's kinds say.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	case reflect.TypeFor[map[string]string]():
		// A number or a boolean is taken as it is written.
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{
			AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}, {Type: "null"}},
		}}
	}
	return nil
}

// describe adds the defaults, which the tags do not hold, to the schema of a struct.
func describe(s *jsonschema.Schema, defs jsonschema.Definitions, v reflect.Value) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		property, ok := s.Properties.Get(name)
		if !ok {
			continue
		}
		if v.Field(i).Kind() == reflect.Struct {
			describe(defs[strings.TrimPrefix(property.Ref, "#/$defs/")], defs, v.Field(i))
		} else if value, ok := defaultOf(v.Field(i)); ok && !dependent(property.Description) {
			property.Default = value
		}
	}
}

// dependent reports a description that says of what the default depends.
func dependent(description string) bool { return strings.Contains(description, "Default: ") }

// unquotedMode allows a file's mode without quotes, which YAML takes for a
// number, and which the decoder reads as it is written.
func unquotedMode(file *jsonschema.Schema) {
	mode, ok := file.Properties.Get("mode")
	if !ok {
		return // a test finds it
	}
	mode.AnyOf = []*jsonschema.Schema{{Type: "string", Pattern: mode.Pattern}, {Type: "integer"}}
	mode.Type, mode.Pattern = "", ""
}

// defaultOf gives the default of a field as JSON has it; ok is false where
// there is none.
func defaultOf(v reflect.Value) (value any, ok bool) {
	if v.IsZero() {
		return nil, false
	}
	if d, isDuration := v.Interface().(Duration); isDuration {
		return d.String(), true
	}
	if v.Kind() == reflect.Pointer {
		return v.Elem().Interface(), true
	}
	return v.Interface(), true
}
