package packer_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/internal/need"
)

// ansibleVariable names Packer's plugin for Ansible, which "make e2e-ansible"
// builds and sets.
const ansibleVariable = "INGOT_TEST_ANSIBLE"

// TestAnsible: Packer's provisioner ansible-local plays a playbook in the base,
// with the ansible-core of the lock, and the image has what it did. A second
// play changes nothing.
func TestAnsible(t *testing.T) {
	w, root := equip(t)
	w.install(t, need.Built(t, ansibleVariable), "github.com/hashicorp/ansible")
	w.environ = append(w.environ, "XDG_CONFIG_HOME="+root) // with the operator's key
	v := variant.In(t, root).New(t, "ansible", "lab", func(def variant.Definition) {
		def["image"] = variant.Definition{"targets": []string{"qemu"}, "packages": []string{"ansible-core"}}
	})
	v.Ingot(t, "lock", "lab")
	play := filepath.Join(t.TempDir(), "play")
	check(t, os.CopyFS(play, os.DirFS("testdata/ansible")))
	last := `provisioner "shell" { inline = ["rm -rf /root/.ansible"] }`
	step := fmt.Sprintf(`
  provisioner "ansible-local" {
    playbook_file   = "%s/site.yaml"
    role_paths      = ["%s/roles/tester"]
    extra_arguments = ["--extra-vars", "greeting=hello"]
  }
`, play, play)
	text := strings.Replace(image(`"raw"`, step+step+last), "CLUSTERS/lab", filepath.Dir(v.Definition()), 1)
	text = strings.Replace(text, "required_plugins {", `required_plugins {
    ansible = {
      source  = "github.com/hashicorp/ansible"
      version = ">= 1.0.0"
    }`, 1)
	w.ansiblePage(t, play)
	dir := t.TempDir()
	r := w.template(t, invocation{dir: dir}, text, "build").ended(t, 0, "changed=0", "unreachable=0", "failed=0", "not locked: a layer over the base")
	t.Logf("the build took %.0f s", r.took.Seconds())
	played(t, filepath.Join(dir, "out"))
}

// ansiblePage: Packer takes the template that the documentation shows.
func (w *world) ansiblePage(t *testing.T, play string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/packer/ansible.md")
	check(t, err)
	shown := regexp.MustCompile("(?ms)^```hcl\n(.*?)^```").FindAllStringSubmatch(string(text), -1)
	if len(shown) != 1 {
		t.Fatalf("the page shows %d templates, want 1", len(shown))
	}
	check(t, os.CopyFS(filepath.Join(play, "clusters", "prod"), os.DirFS("../../clusters/prod")))
	w.template(t, invocation{dir: play}, shown[0][1], "validate").ok(t)
}

// played expects in the root of an image what the playbook did.
func played(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "files.json"))
	check(t, err)
	var list struct{ Root *tree.Index }
	check(t, json.Unmarshal(data, &list))
	if n, is := list.Root.Find("/etc/tester.conf"); !is || n.Mode != 0o640 || n.Size != int64(len("hello debian 13\n")) {
		t.Errorf("/etc/tester.conf is %+v", n)
	}
	if n, is := list.Root.Find("/etc/tester"); !is || n.Target != "tester.conf" {
		t.Errorf("/etc/tester is %+v", n)
	}
	if !strings.Contains(list.Root.Accounts.Users, "played:x:798:") {
		t.Error("the image has no user played")
	}
	for _, n := range list.Root.Nodes {
		if strings.Contains(n.Path, "/.ansible") {
			t.Errorf("Ansible left %s", n.Path)
		}
	}
	m, err := builder.ReadManifest(filepath.Join(dir, builder.ManifestFile))
	check(t, err)
	if m.Unlocked == nil || len(m.Unlocked.More) > 0 {
		t.Errorf("the manifest has the layer as %+v", m.Unlocked)
	}
}
