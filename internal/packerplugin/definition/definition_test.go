package definition

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/packer-plugin-sdk/packer"
)

func TestLoad(t *testing.T) {
	for _, path := range []string{"../../../clusters/prod", "../../../clusters/prod/cluster.yaml"} {
		if c, _, err := Load(path); err != nil || c.Def.Name != "prod" {
			t.Errorf("%s: %v", path, err)
		}
	}
	bad := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(bad, []byte("name: 7up!\nunknown: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, say := range map[string][]string{
		bad:            {bad + ":1:7: name:", bad + ":2:1: unknown", "    unknown: 1\n    ^"},
		"":             {`"cluster" must name`},
		"nowhere.yaml": {"no such file", "names the folder of a definition"},
	} {
		_, _, err := Load(path)
		for _, want := range say {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: it does not say %q: %v", path, want, err)
			}
		}
	}
}

func TestSource(t *testing.T) {
	var s packer.Datasource = new(Source)
	if err := s.Configure(map[string]any{"cluster": "../../../clusters/prod"}); err != nil {
		t.Fatal(err)
	}
	v, err := s.Execute()
	if err != nil {
		t.Fatal(err)
	}
	if got := v.GetAttr("name").AsString(); got != "prod" {
		t.Errorf("the name is %q", got)
	}
	nodes := v.GetAttr("nodes").AsValueSlice()
	if len(nodes) != 7 || nodes[2].GetAttr("labels").AsValueMap()["disk"].AsString() != "ssd" || nodes[5].GetAttr("spare").False() {
		t.Errorf("the nodes are %#v", nodes)
	}
	if err := new(Source).Configure(map[string]any{"cluster": "nowhere"}); err == nil {
		t.Error("a definition that is not there was taken")
	}
}
