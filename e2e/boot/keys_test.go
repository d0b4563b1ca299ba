package boot_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/e2e/internal/variant"
)

// TestKeys looks for keys where they are: a search that finds nothing proves
// nothing. It needs no image.
func TestKeys(t *testing.T) {
	w := variant.In(t, t.TempDir())
	for _, tool := range []string{"ignition", "cloud-init"} {
		v := w.New(t, tool, "lab", func(def variant.Definition) {
			alone(def)
			def["provisioning"] = tool
		})
		v.Ingot(t, "iso", "lab", "lab0", "lab1")
		for _, node := range []string{"lab0", "lab1"} {
			var all bytes.Buffer
			for _, f := range bundleOf(t, v, node) {
				all.Write(f.Data)
			}
			data, err := os.ReadFile(v.File(node, "user_data"))
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
			kinds := []string{"PRIVATE KEY-----", "AGE-SECRET-KEY-"}
			if node == "lab0" {
				kinds = append(kinds, "secret: ") // of encryption.yaml
			}
			found := keys(t, v, node)
			held := 0
			for _, key := range found {
				if strings.Contains(all.String(), key) {
					held++
				}
			}
			t.Logf("%s, %s: %d parts of keys, %d of them in what the machine gets as it is", tool, node, len(found), held)
			if held < 10 {
				t.Errorf("%s, %s: only %d of %d parts of keys are in the identity", tool, node, held, len(found))
			}
			if missing := missingKind(found, kinds); missing != "" {
				t.Errorf("%s, %s: nothing of the kind %q is looked for", tool, node, missing)
			}
		}
	}
}

func missingKind(found, kinds []string) string {
	for _, kind := range kinds {
		if !strings.Contains(strings.Join(found, "\n"), kind) {
			return kind
		}
	}
	return ""
}
