package pki

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocumentedCertificates holds the table of docs/explanation/pki.md
// against what is issued.
func TestDocumentedCertificates(t *testing.T) {
	const path = "../docs/explanation/pki.md"
	const begin, end = "<!-- certificates: written by go test ./pki -update -->\n", "<!-- end of certificates -->"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table: %q to %q", path, begin, end)
	}
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
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(data) {
		t.Errorf("the table of %s is out of date (go test ./pki -update writes it anew):\n%s", path, b.String())
	}
}
