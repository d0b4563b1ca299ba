package pki

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/golden"
)

// TestDocumentedCertificates holds the table of docs/explanation/pki.md
// against what is issued.
func TestDocumentedCertificates(t *testing.T) {
	const path = "../docs/explanation/pki.md"
	const begin, end = "<!-- certificates: written by go test ./pki -update -->\n", "<!-- end of certificates -->"
	c := define(t, t.TempDir(), shipped(t, "prod"))
	n, _ := c.Node("master0")
	requests := append(NodeRequests(c, n), AdminRequest(c, "admin"), BreakGlassRequest())
	var b bytes.Buffer
	b.WriteString("| certificate | authority | subject | usage | names and addresses | who shows it to whom |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range requests {
		subject := "`" + r.CommonName + "`"
		if len(r.Organization) > 0 {
			subject += " of `" + strings.Join(r.Organization, "`, `") + "`"
		}
		usage := string(r.Usage)
		if r.Usage == Peer {
			usage = "server and client"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.Name, r.Authority, subject, usage, strings.Join(sans(r), ", "), Purpose(r.Name))
	}
	golden.Section(t, path, begin, end, b.String())
}
