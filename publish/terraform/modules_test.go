package terraform_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/publish/terraform"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// module parses every file of a module by HCL's own parser, and gives its
// blocks.
func module(t *testing.T, name string) hclsyntax.Blocks {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(need.Source(t), "deploy", "terraform", name, "*.tf"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files of the module %s (%v)", name, err)
	}
	var blocks hclsyntax.Blocks
	parser := hclparse.NewParser()
	for _, file := range names {
		f, problems := parser.ParseHCLFile(file)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(hclwrite.Format(data)) != string(data) {
			t.Errorf("%s: not formatted (terraform fmt mends it)", file)
		}
		blocks = append(blocks, f.Body.(*hclsyntax.Body).Blocks...)
	}
	return blocks
}

// modules are the exports by their modules.
func modules(t *testing.T) map[string]*terraform.Export {
	t.Helper()
	c := load(t)
	return map[string]*terraform.Export{"digitalocean": droplets(t, c), "vsphere": virtualMachines(t, c)}
}

// TestVariables holds what is written against what modules take: the names, and
// the types by HCL's own conversion.
func TestVariables(t *testing.T) {
	for name, export := range modules(t) {
		t.Run(name, func(t *testing.T) {
			text := encode(t, export)
			implied, err := ctyjson.ImpliedType(text)
			if err != nil {
				t.Fatal(err)
			}
			values, err := ctyjson.Unmarshal(text, implied)
			if err != nil {
				t.Fatal(err)
			}
			given := values.AsValueMap()
			for _, b := range module(t, name) {
				if b.Type != "variable" {
					continue
				}
				kind, _, problems := typeexpr.TypeConstraintWithDefaults(b.Body.Attributes["type"].Expr)
				if problems.HasErrors() {
					t.Fatal(problems)
				}
				if b.Body.Attributes["description"] == nil {
					t.Errorf("the variable %s has no description", b.Labels[0])
				}
				value, ok := given[b.Labels[0]]
				if !ok && b.Body.Attributes["default"] == nil {
					t.Errorf("the variable %s is not written", b.Labels[0])
				}
				if ok {
					if _, err := convert.Convert(value, kind.WithoutOptionalAttributesDeep()); err != nil {
						t.Errorf("the variable %s: %v", b.Labels[0], err)
					}
				}
				delete(given, b.Labels[0])
			}
			for key := range given {
				t.Errorf("the module has no variable %s", key)
			}
		})
	}
}

// TestReferences looks whether all that a module speaks of is in it, and all
// variables are used.
func TestReferences(t *testing.T) {
	for name := range modules(t) {
		t.Run(name, func(t *testing.T) {
			blocks := module(t, name)
			declared := map[string]bool{}
			for _, b := range blocks {
				switch b.Type {
				case "variable":
					declared["var."+b.Labels[0]] = false
				case "data":
					declared["data."+strings.Join(b.Labels, ".")] = false
				case "resource":
					declared[strings.Join(b.Labels, ".")] = false
				case "locals":
					for key := range b.Body.Attributes {
						declared["local."+key] = false
					}
				}
			}
			for _, b := range blocks {
				own := ""
				if b.Type == "variable" { // its conditions speak of itself
					own = "var." + b.Labels[0]
				}
				for _, ref := range references(b.Body) {
					if _, ok := declared[ref]; !ok {
						t.Errorf("%s: there is no %s", b.Range(), ref)
					} else if ref != own {
						declared[ref] = true
					}
				}
			}
			for ref, used := range declared {
				if !used && (strings.HasPrefix(ref, "var.") || strings.HasPrefix(ref, "local.")) {
					t.Errorf("nothing uses %s", ref)
				}
			}
		})
	}
}

// references are what the expressions of a body speak of, with the words that
// an address has.
func references(body *hclsyntax.Body) []string {
	var out []string
	words := map[string]int{"var": 2, "local": 2, "data": 3}
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		e, ok := n.(*hclsyntax.ScopeTraversalExpr)
		if !ok {
			return nil
		}
		root := e.Traversal.RootName()
		count, known := words[root]
		if !known {
			if !strings.Contains(root, "_") || len(e.Traversal) < 2 || slices.Contains([]string{"inbound_rule", "outbound_rule"}, root) {
				return nil // of a loop
			}
			count = 2 // a resource
		}
		ref := root
		for _, step := range e.Traversal[1:count] {
			attr, ok := step.(hcl.TraverseAttr)
			if !ok {
				return nil
			}
			ref += "." + attr.Name
		}
		if !slices.Contains(ignored, ref) {
			out = append(out, ref)
		}
		return nil
	})
	return out
}

// ignored are words of a lifecycle that name attributes, which are no addresses.
var ignored = []string{"each.key", "each.value", "self.regions"}

// TestHowTo: the root modules of the how-to give what modules want, and no more.
func TestHowTo(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(need.Source(t), "docs", "how-to", "terraform.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range regexp.MustCompile("(?ms)^```hcl\n(.*?)^```").FindAllSubmatch(text, -1) {
		if string(hclwrite.Format(m[1])) != string(m[1]) {
			t.Errorf("not formatted:\n%s", m[1])
		}
		f, problems := hclparse.NewParser().ParseHCL(m[1], "terraform.md")
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		for _, b := range f.Body.(*hclsyntax.Body).Blocks {
			if b.Type != "module" {
				continue
			}
			seen++
			source, _ := b.Body.Attributes["source"].Expr.Value(nil)
			delete(b.Body.Attributes, "source")
			for _, v := range module(t, path.Base(source.AsString())) {
				if v.Type != "variable" {
					continue
				}
				if b.Body.Attributes[v.Labels[0]] == nil && v.Body.Attributes["default"] == nil {
					t.Errorf("%s: %s is not given", source.AsString(), v.Labels[0])
				}
				delete(b.Body.Attributes, v.Labels[0])
			}
			for key := range b.Body.Attributes {
				t.Errorf("%s: there is no variable %s", source.AsString(), key)
			}
		}
	}
	if seen != len(modules(t)) {
		t.Errorf("the how-to uses %d modules", seen)
	}
}

// TestNoSecret: what is written has paths, and neither keys nor certificates.
func TestNoSecret(t *testing.T) {
	for name, export := range modules(t) {
		text := string(encode(t, export))
		for _, word := range []string{"PRIVATE", "CERTIFICATE", "token", "password"} {
			if strings.Contains(text, word) {
				t.Errorf("%s: there is %q in it", name, word)
			}
		}
	}
}
