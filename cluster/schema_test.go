package cluster_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/golden"
)

const (
	schemaFile    = "../docs/reference/cluster.schema.json"
	referenceFile = "../docs/reference/cluster.md"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := cluster.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("cluster.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("cluster.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML document as an editor hands it to a schema validator.
func asJSON(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestSchemaAcceptsGoodDefinitions: the shipped ones, every example of the
// documentation, the template, and all that the loader's own tests accept.
func TestSchemaAcceptsGoodDefinitions(t *testing.T) {
	s := compiledSchema(t)
	good := map[string][]byte{"template": template(t, "prod")}
	good["template with everything"] = commentedOut.ReplaceAll(bytes.ReplaceAll(template(t, "prod"), []byte("    #network:"), []byte("    #")), []byte("$1$2"))
	for name, data := range examples(t) {
		good[name] = data
	}
	for _, pattern := range []string{"../clusters/*/cluster.yaml", "testdata/good/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			good[file] = data
		}
	}
	for name, data := range good {
		if err := s.Validate(asJSON(t, data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// example finds the definitions in documentation.
var example = regexp.MustCompile("(?s)```yaml\n(apiVersion: ingot/v1\n.*?)```")

// examples are the whole definitions that the documentation shows.
func examples(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/*/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range example.FindAllSubmatch(text, -1) {
				found[fmt.Sprintf("%s, example %d", file, i)] = m[1]
			}
		}
	}
	return found
}

// TestDocumentedDefinitions: what the documentation shows can be used.
func TestDocumentedDefinitions(t *testing.T) {
	for name, data := range examples(t) {
		t.Run(name, func(t *testing.T) { parse(t, data) })
	}
}

// TestSchemaRefusesBadDefinitions: what the decoder refuses by the struct
// tags, the schema refuses as well.
func TestSchemaRefusesBadDefinitions(t *testing.T) {
	s := compiledSchema(t)
	const head = "apiVersion: ingot/v1\nkind: Cluster\nname: a\ndomain: a.example.com\n"
	const nodes = "nodes: [{name: a, roles: [controller], address: 192.0.2.1}]\n"
	if err := s.Validate(asJSON(t, []byte(head+nodes))); err != nil {
		t.Fatalf("the ground of the bad ones is bad itself: %v", err)
	}
	for _, bad := range []string{
		"[]", "{}",
		nodes,
		head,
		head + "nodes: []\n",
		head + "nodes: [{name: a}]\n",
		head + "nodes: [{roles: [worker]}]\n",
		head + "nodes: [{name: a, roles: []}]\n",
		head + "nodes: [{name: a, roles: [boss]}]\n",
		head + "nodes: [{name: a, roles: [worker], colour: red}]\n",
		head + "nodes: [{name: a, roles: [worker], network: {}}]\n",
		head + "nodes: [{name: a, roles: [worker], network: {interfaces: []}}]\n",
		strings.Replace(head, "ingot/v1", "ingot/v2", 1) + nodes,
		strings.Replace(head, "Cluster", "cluster", 1) + nodes,
		head + nodes + "spares: -1\n",
		head + nodes + "spares: 1001\n",
		head + nodes + "colour: red\n",
		head + nodes + "mesh: {port: 0}\n",
		head + nodes + "mesh: {port: \"655\"}\n",
		head + nodes + "mesh: {prot: 655}\n",
		head + nodes + "mesh: {keyBits: 1024}\n",
		head + nodes + "mesh: [655]\n",
		head + nodes + "etcd: {heartbeatInterval: fast}\n",
		head + nodes + "etcd: {heartbeatInterval: 5}\n",
		head + nodes + "pki: {keyType: dsa}\n",
		head + nodes + "pki: {remote: {url: \"https://x\"}}\n",
		head + nodes + "provisioning: kickstart\n",
		head + nodes + "image: {targets: [moon]}\n",
		head + nodes + "image: {targets: qemu}\n",
		head + nodes + "features: {auditLog: \"yes\"}\n",
		head + nodes + "files: [{content: x}]\n",
		head + nodes + "files: [{path: /x, content: x, mode: rw}]\n",
		head + nodes + "units: [{name: x.service}]\n",
		head + nodes + "kubernetes: {featureGates: {A: maybe}}\n",
		head + nodes + "kubernetes: {labels: {a: [b]}}\n",
	} {
		if err := s.Validate(asJSON(t, []byte(bad))); err == nil {
			t.Errorf("the schema accepts\n%s", bad)
		}
	}
}

func TestSchemaIsCurrent(t *testing.T) {
	data, err := cluster.Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, schemaFile, data)
}

func TestReferenceIsCurrent(t *testing.T) { golden.Check(t, referenceFile, cluster.Reference()) }

// TestEveryFieldIsDescribed: a key, a description that is a sentence, and a
// line in the reference and the schema for each field of the types.
func TestEveryFieldIsDescribed(t *testing.T) {
	schema, err := cluster.Schema()
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)
	visited, count := map[reflect.Type]bool{}, 0
	var walk func(reflect.Type)
	walk = func(s reflect.Type) {
		for s.Kind() == reflect.Pointer || s.Kind() == reflect.Slice {
			s = s.Elem()
		}
		if s.Kind() != reflect.Struct || visited[s] {
			return
		}
		visited[s] = true
		for i := range s.NumField() {
			f := s.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			text := f.Tag.Get("jsonschema_description")
			if !key.MatchString(name) || len(text) < 10 || !strings.HasSuffix(text, ".") {
				t.Errorf("%s.%s: key %q, description %q; want both, and a full stop", s.Name(), f.Name, name, text)
			}
			if !bytes.Contains(schema, []byte(`"description": "`+text+`"`)) {
				t.Errorf("%s.%s is not described in the schema", s.Name(), f.Name)
			}
			if !bytes.Contains(cluster.Reference(), []byte("| `"+name+"` |")) {
				t.Errorf("%s.%s is not in the reference", s.Name(), f.Name)
			}
			count++
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[cluster.Definition]())
	if count < 100 {
		t.Errorf("only %d fields were looked at", count)
	}
}
