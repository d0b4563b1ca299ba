package ovf_test

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/images/ovf"
	"github.com/ingot-k8s/ingot/internal/need"
)

var update = flag.Bool("update", false, "write the golden files")

func machines() map[string]ovf.Machine {
	return map[string]ovf.Machine{
		"defaults": {Name: "prod-1a2b"},
		"bios":     {Name: "lab.x_1", Firmware: ovf.BIOS, CPUs: 8, MemoryMiB: 16384, Hardware: 21, GuestID: "debian12_64Guest"},
		"properties": {Name: "prod-1a2b", Description: `A & B <"lab">`, Network: `Größe & "co"`,
			Properties: append(ovf.IgnitionProperties(), ovf.Property{Key: "user-data", Label: "a<b"})},
	}
}

func disk() ovf.Disk {
	return ovf.Disk{File: "prod-1a2b-disk1.vmdk", FileSize: 123456789, Capacity: 4 << 30, Populated: 400 << 20}
}

// eachDescriptor runs a test with the descriptor of each machine.
func eachDescriptor(t *testing.T, test func(t *testing.T, name string, got []byte)) {
	for name, m := range machines() {
		t.Run(name, func(t *testing.T) {
			got, err := ovf.Descriptor(m, disk())
			if err != nil {
				t.Fatal(err)
			}
			test(t, name, got)
		})
	}
}

func TestGolden(t *testing.T) {
	eachDescriptor(t, func(t *testing.T, name string, got []byte) {
		path := filepath.Join("testdata", name+".ovf")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the descriptor is not %s (%v): if that is meant, run go test ./images/ovf -update and read the difference", path, err)
		}
	})
}

// TestGrammar checks elements, their order and their attributes. The schemas
// of the DMTF are in no package; the grammar says what they and VMware allow of
// the elements that we write.
func TestGrammar(t *testing.T) {
	xmllint := need.Tool(t, "xmllint")
	eachDescriptor(t, func(t *testing.T, _ string, got []byte) {
		if out, err := lint(t, xmllint, got); err != nil {
			t.Errorf("xmllint: %v\n%s", err, out)
		}
		wrong := bytes.Replace(got, []byte("<rasd:Address>0</rasd:Address>\n"), nil, 1)
		wrong = bytes.Replace(wrong, []byte("</rasd:ElementName>"), []byte("</rasd:ElementName><rasd:Address>0</rasd:Address>"), 1)
		if out, err := lint(t, xmllint, wrong); err == nil {
			t.Errorf("the grammar takes elements in a wrong order: %s", out)
		}
	})
}

func lint(t *testing.T, xmllint string, descriptor []byte) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), xmllint, "--nonet", "--noout", "--relaxng", filepath.Join("testdata", "ovf11.rng"), "-")
	cmd.Stdin = bytes.NewReader(descriptor)
	return cmd.CombinedOutput()
}

// node is any element.
type node struct {
	XMLName  xml.Name
	Attr     []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
	Text     string     `xml:",chardata"`
}

// walk calls visit for all elements.
func (n node) walk(visit func(node)) {
	visit(n)
	for _, c := range n.Children {
		c.walk(visit)
	}
}

func (n node) attr(name string) string {
	for _, a := range n.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (n node) child(name string) string {
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			return strings.TrimSpace(c.Text)
		}
	}
	return ""
}

// TestReferences checks what no grammar can: that all that is referred to is
// there, before it is referred to.
func TestReferences(t *testing.T) {
	eachDescriptor(t, func(t *testing.T, _ string, got []byte) {
		var root node
		if err := xml.Unmarshal(got, &root); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		add := func(kind, id string) {
			if id == "" || seen[kind+id] {
				t.Errorf("%s %q: empty or not unique", kind, id)
			}
			seen[kind+id] = true
		}
		refer := func(kind, id string) {
			if !seen[kind+id] {
				t.Errorf("%s %q: not there, or later", kind, id)
			}
		}
		root.walk(func(n node) {
			switch n.XMLName.Local {
			case "File":
				add("file", n.attr("id"))
			case "Disk":
				refer("file", n.attr("fileRef"))
				add("ovf:/disk/", n.attr("diskId"))
			case "Network":
				add("network", n.attr("name"))
			case "Property":
				add("property", n.attr("key"))
			case "Item":
				if p := n.child("Parent"); p != "" {
					refer("instance", p)
				}
				if c := n.child("Connection"); c != "" {
					refer("network", c)
				}
				refer("", n.child("HostResource"))
				add("instance", n.child("InstanceID"))
			}
			seen[""] = true // no host resource
		})
	})
}

func TestErrors(t *testing.T) {
	for want, m := range map[string]ovf.Machine{
		`name "": must have`:                          {},
		`name "a/b": must have`:                       {Name: "a/b"},
		`name ".a": must have`:                        {Name: ".a"},
		"must have up to 80 letters":                  {Name: strings.Repeat("x", 81)},
		"-1 processors: must be positive":             {Name: "a", CPUs: -1},
		"memory of 1022 MiB: must be a":               {Name: "a", MemoryMiB: 1022},
		"memory of -4 MiB: must be a":                 {Name: "a", MemoryMiB: -4},
		`firmware "uefi": must be efi or bios`:        {Name: "a", Firmware: "uefi"},
		"hardware version 16: must be from 17 to 22":  {Name: "a", Hardware: 16},
		"hardware version 23: must be from 17 to 22":  {Name: "a", Hardware: 23},
		`guest ID "Debian 12": must be one of`:        {Name: "a", GuestID: "Debian 12"},
		`property "a b": must be unique, without`:     {Name: "a", Properties: []ovf.Property{{Key: "a b"}}},
		`property "": must be unique, without`:        {Name: "a", Properties: []ovf.Property{{}}},
		`property "twice": must be unique, without`:   {Name: "a", Properties: []ovf.Property{{Key: "twice"}, {Key: "twice"}}},
		`property "class:a": must be unique, without`: {Name: "a", Properties: []ovf.Property{{Key: "class:a"}}},
	} {
		_, err := ovf.Descriptor(m, disk())
		if err == nil || !strings.HasPrefix(err.Error(), "describing a machine: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
