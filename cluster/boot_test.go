package cluster_test

import (
	"encoding/json"
	"os"
	"testing"
)

// TestBootSetting: a node's own wish is stronger than that of the cluster.
func TestBootSetting(t *testing.T) {
	data, err := os.ReadFile("testdata/good/boot.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, data)
	for name, want := range map[string]string{
		"a":      `{"install":{"disk":"/dev/disk/by-id/nvme-SAMSUNG_MZVLB256_S4","overwrite":"0012"}}`,
		"b":      `{"run":{"disk":"first"}}`,
		"c":      `{"install":{"disk":"smallest"}}`,
		"spare0": `{"install":{"disk":"smallest"}}`,
	} {
		n, ok := c.Node(name)
		if !ok {
			t.Fatalf("no node %s", name)
		}
		if got := asText(t, c.BootSetting(n)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if !c.Def.Boot.Rescue {
		t.Error("no rescue")
	}
	plain := parse(t, template(t, "prod"))
	for i := range plain.Nodes {
		if got := plain.BootSetting(&plain.Nodes[i]); got != nil {
			t.Errorf("%s: got %+v", plain.Nodes[i].Name, got)
		}
	}
	common := parse(t, definition([]string{"a"}, 0, "boot: {run: {disk: first}}\n"))
	if got := asText(t, common.BootSetting(&common.Nodes[0])); got != `{"run":{"disk":"first"}}` {
		t.Errorf("got %s", got)
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
