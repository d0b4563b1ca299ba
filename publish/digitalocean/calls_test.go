package digitalocean_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/publish"
)

// calls holds the calls of a run against the list in the documentation, which
// names Spaces where the test had another service.
func calls(t *testing.T, s *publish.Summary, service string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Calls to DigitalOcean\n\n" +
		"Every call that changes something, in order, of `ingot publish digitalocean sea --snapshot --droplets`, as a test made them: a\n" +
		"cluster of three controllers and an edge in two regions, where nothing was there before. Reading calls are left out. Each\n" +
		"request and each answer of that run was checked by DigitalOcean's own OpenAPI description. Made by\n" +
		"`go test ./publish/digitalocean -update`; do not edit.\n\n")
	for i, c := range s.Calls {
		fmt.Fprintf(&b, "%d. `%s %s`\n", i+1, c.Method, c.Target)
		if c.Body == nil {
			continue
		}
		body, err := json.Marshal(c.Body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "   `%s`\n", body)
	}
	text := strings.ReplaceAll(b.String(), service, "https://fra1.digitaloceanspaces.com")
	golden.Check(t, filepath.Join(need.Source(t), "docs", "reference", "digitalocean-calls.md"), []byte(text))
}
