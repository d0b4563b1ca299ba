package cluster_test

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

func parse(t *testing.T, data []byte) *cluster.Cluster {
	t.Helper()
	var r diag.Report
	c, err := cluster.Parse(t.TempDir()+"/cluster.yaml", data, nil, &r)
	if err != nil {
		t.Fatalf("%s\n%s", report(t, &r), data)
	}
	if len(r.Problems) > 0 {
		t.Fatalf("warnings:\n%s", report(t, &r))
	}
	return c
}

func template(t *testing.T, name string) []byte {
	t.Helper()
	data, err := cluster.Template(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTemplateIsValid: no errors and no warnings, whatever the name.
func TestTemplateIsValid(t *testing.T) {
	for _, name := range []string{"prod", "a", "x1", "null", "true", "on", "no", "1e3", "a--b", strings.Repeat("n", 40)} {
		if c := parse(t, template(t, name)); c.Def.Name != name {
			t.Errorf("template of %q has the name %q", name, c.Def.Name)
		}
	}
}

func TestTemplateBadName(t *testing.T) {
	for name, want := range map[string]string{
		"":                      `"" is not a DNS label`,
		"Prod":                  "upper case",
		"a.b":                   "not a DNS label",
		"../x":                  "not a DNS label",
		"12":                    "reads as an IPv4 address",
		strings.Repeat("n", 41): "at most 40",
		"a\nname: b":            "not a DNS label",
	} {
		data, err := cluster.Template(name)
		if err == nil || data != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("template of %q: %v, want an error with %q", name, err, want)
		}
	}
}

// commentedOut finds the settings that are comments: a "#", and then no space
// or at least two. Prose has one.
var commentedOut = regexp.MustCompile(`(?m)^( *)#((?:  +)?[a-zA-Z])`)

// TestTemplateShowsDefaults: with every comment taken away, the template still
// means the same, so what it shows are the defaults.
func TestTemplateShowsDefaults(t *testing.T) {
	data := template(t, "prod")
	want := parse(t, data)
	open := commentedOut.ReplaceAll(data, []byte("$1$2"))
	got := parse(t, open)
	if got.VIP != want.VIP {
		t.Errorf("the template shows the virtual address %s, the default is %s", got.VIP, want.VIP)
	}
	got.Def.API.VIP = ""
	if diff := cmp.Diff(want.Def, got.Def, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the template shows what is not the default (-default +shown):\n%s\n%s", diff, open)
	}
}

// TestTemplateShowsEverySetting: a field that a person could set is in the
// template, so that nobody has to look it up.
func TestTemplateShowsEverySetting(t *testing.T) {
	data := template(t, "prod")
	var missing []string
	var walk func(reflect.Type)
	walk = func(s reflect.Type) {
		for i := range s.NumField() {
			f := s.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !bytes.Contains(data, []byte(name+":")) {
				missing = append(missing, s.Name()+"."+f.Name)
			}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[cluster.Definition]())
	// Without a default, and for few: the reference has them.
	want := []string{"PKI.Remote", "Image.Mirror", "Definition.Publish", "Publish.DigitalOcean", "Publish.VSphere"}
	if diff := cmp.Diff(want, missing); diff != "" {
		t.Errorf("settings that the template does not show (-want +got):\n%s", diff)
	}
	if lines := bytes.Count(data, []byte("\n")); lines > 110 {
		t.Errorf("the template has %d lines, which nobody reads", lines)
	}
}
