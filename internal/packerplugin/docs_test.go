package packerplugin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hcldec"
)

// Every argument and output of a component is on its page, and every component
// is named there.
func TestDocumented(t *testing.T) {
	set := Set()
	pages := map[string]string{}
	for _, page := range []string{"builders/image", "datasources/cluster", "provisioners/component", "post-processors/format", "post-processors/digitalocean", "post-processors/vsphere"} {
		text, err := os.ReadFile(filepath.Join("../../docs/packer", page+".mdx"))
		if err != nil {
			t.Fatal(err)
		}
		pages[page] = string(text)
	}
	said := func(page, name string, specs ...hcldec.ObjectSpec) {
		if !strings.Contains(pages[page], "`ingot-"+name+"`") {
			t.Errorf("%s does not name ingot-%s", page, name)
		}
		for _, spec := range specs {
			for field := range spec {
				if !strings.HasPrefix(field, "packer_") && !strings.Contains(pages[page], "`"+field+"`") {
					t.Errorf("%s does not name %s of ingot-%s", page, field, name)
				}
			}
		}
	}
	for name, b := range set.Builders {
		said("builders/image", name, b.ConfigSpec())
	}
	for name, d := range set.Datasources {
		said("datasources/cluster", name, d.ConfigSpec(), d.OutputSpec())
	}
	for name, p := range set.Provisioners {
		said("provisioners/component", name, p.ConfigSpec())
	}
	for name, p := range set.PostProcessors {
		page := "post-processors/" + name
		if _, own := pages[page]; !own {
			page = "post-processors/format"
		}
		said(page, name, p.ConfigSpec())
	}
}
