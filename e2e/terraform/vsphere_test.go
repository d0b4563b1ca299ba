package terraform_test

import (
	"encoding/pem"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/ovf"
	"github.com/ingot-k8s/ingot/internal/need/vcsim"
	_ "github.com/vmware/govmomi/pbm/simulator" // storage policies, which the provider asks for
	"github.com/vmware/govmomi/simulator"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the simulator's
	os.Exit(m.Run())
}

// hill is a vCenter with the cluster's template.
type hill struct {
	*world
	server *vcsim.Server
}

func newHill(t *testing.T) *hill {
	t.Helper()
	program(t) // before the simulator is started in vain
	model := simulator.VPX()
	model.Host, model.ClusterHost = 0, 1
	server, err := vcsim.Start(model)
	check(t, err)
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	write(t, authority, string(certificate))
	h := &hill{server: server}
	h.world = newWorld(t, "hill", "vsphere", map[string]string{
		"VSPHERE_SERVER": server.URL.Host, "VSPHERE_USER": vcsim.User, "VSPHERE_PASSWORD": vcsim.Password, "SSL_CERT_FILE": authority,
	})
	main := filepath.Join(h.root(), "main.tf")
	write(t, main, strings.Replace(read(t, main), "  files ", "  with_iso      = var.with_iso\n  boot_minutes  = 0\n  files ", 1)+`
variable "with_iso" {
  type    = set(string)
  default = null
}
`)
	definition := strings.ReplaceAll(read(t, filepath.Join("testdata", "hill.yaml")), "SERVER", server.Address())
	write(t, filepath.Join(h.dir, "clusters", "hill", "cluster.yaml"), definition)
	write(t, filepath.Join(h.dir, "clusters", "hill", "vcenter.pem"), string(certificate))
	t.Setenv("GOVC_USERNAME", vcsim.User)
	t.Setenv("GOVC_PASSWORD", vcsim.Password)
	h.ingot(t, "iso", "hill")
	h.published(t, imageA)
	return h
}

// published brings an image there, as people do, and exports it.
func (h *hill) published(t *testing.T, id string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hill.ova")
	f, err := os.Create(path)
	check(t, err)
	opts := images.OVAOptions{Machine: ovf.Machine{Name: "hill-" + id}}
	_, err = images.WriteOVA(t.Context(), f, images.Bytes(make([]byte, 1<<20)), opts)
	check(t, err)
	check(t, f.Close())
	h.bake(t, id, builder.OVA, []byte(read(t, path)))
	h.ingot(t, "publish", "vsphere", "hill")
	h.ingot(t, "export", "terraform", "hill")
}

// ours are the lines of the server's state that are of the cluster.
func (h *hill) ours(t *testing.T) []string {
	t.Helper()
	h.server.Settle()
	state, err := h.server.State()
	check(t, err)
	return slices.DeleteFunc(state, func(line string) bool {
		return !strings.Contains(line, "hill") && !strings.Contains(line, "machine m0") && !strings.Contains(line, "machine w0")
	})
}

// line is what the server has of something.
func (h *hill) line(t *testing.T, begin string) string {
	t.Helper()
	for _, line := range h.ours(t) {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	return ""
}

// oneByOne keeps Terraform from asking for two clones at once, of which the
// simulator now and then forgets one.
const oneByOne = "-parallelism=1"

const isoOfW0 = "file [LocalDS_0] hill/w0/config.iso"

// TestVSphere makes the machines of a cluster by the real provider at a
// simulator, takes the identities away, replaces one machine, and removes all.
func TestVSphere(t *testing.T) {
	h := newHill(t)
	before := h.ours(t)
	h.ok(t, "init", "-no-color")
	h.ok(t, "validate", "-no-color")
	h.ok(t, "apply", "-no-color", "-auto-approve", oneByOne)
	h.wantNoKey(t)
	h.unchanged(t)
	if want := "machine m0 template=false poweredOn cluster=hill image=" + imageA + " node=m0 state=ready"; h.line(t, "machine m0") != want {
		t.Errorf("the server has %q, want %q", h.line(t, "machine m0"), want)
	}
	would := h.ingot(t, "publish", "vsphere", "hill", "--machines", "--dry-run")
	if strings.Contains(would, "would") || strings.Contains(would, "--replace") || strings.Count(would, "kept") != 3 {
		t.Errorf("Ingot would make it otherwise:\n%s", would)
	}
	h.newIdentity(t)
	h.ingot(t, "publish", "vsphere", "hill", "--machines", "--detach-iso")
	if h.line(t, isoOfW0) != "" {
		t.Error("the config ISO is on the datastore still")
	}
	h.ok(t, "state", "rm", "module.cluster.vsphere_file.identity")
	h.unchanged(t, "-var", "with_iso=[]")
	h.newImage(t)
	h.ok(t, "destroy", "-no-color", "-auto-approve", oneByOne, "-var", `with_iso=["w0"]`)
	h.ingot(t, "publish", "delete", "hill", "--image", imageB, "--yes")
	after := slices.DeleteFunc(h.ours(t), func(line string) bool {
		return strings.HasPrefix(line, "file [LocalDS_0] hill/") || line == "file [LocalDS_0] hill"
	})
	if !slices.Equal(before, after) { // folders stay
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

// Addresses of the machine that is made anew, and of its ISO. The machine is the
// target, too: else Terraform would mend what the simulator has forgotten of the
// other one, which that cannot do.
const (
	machineOfW0  = `module.cluster.vsphere_virtual_machine.node["w0"]`
	identityOfW0 = `module.cluster.vsphere_file.identity["w0"]`
)

// newIdentity has one machine made anew with an ISO of other content.
func (h *hill) newIdentity(t *testing.T) {
	t.Helper()
	iso := filepath.Join(h.out(), "nodes", "w0", "config.iso")
	text := read(t, iso) + strings.Repeat("\x00", 2048)
	write(t, iso, text)
	h.unchanged(t)
	h.ok(t, "apply", "-no-color", "-auto-approve", oneByOne, "-replace="+machineOfW0, "-replace="+identityOfW0, "-target="+machineOfW0)
	store := h.server.Model.Map().Any("Datastore").(*simulator.Datastore)
	if read(t, filepath.Join(store.Summary.Url, "hill", "w0", "config.iso")) != text {
		t.Error("the datastore has another ISO")
	}
	if would := h.ingot(t, "publish", "vsphere", "hill", "--machines", "--dry-run"); strings.Count(would, "kept") != 3 || strings.Contains(would, "--replace") {
		t.Errorf("Ingot would make it otherwise:\n%s", would)
	}
}

// newImage brings another image, and has one machine made anew.
func (h *hill) newImage(t *testing.T) {
	t.Helper()
	h.published(t, imageB)
	h.unchanged(t, "-var", "with_iso=[]") // no machine loses its disk by itself
	old := h.output(t, "machines")
	// The target keeps it from mending what the simulator has forgotten of the
	// other machine, which that cannot do.
	h.ok(t, "apply", "-no-color", "-auto-approve", oneByOne, "-var", `with_iso=["w0"]`, "-replace="+machineOfW0, "-target="+machineOfW0)
	now := h.output(t, "machines")
	if now["w0"] == old["w0"] || now["m0"] != old["m0"] {
		t.Errorf("machines %v, were %v", now, old)
	}
	if line := h.line(t, "machine w0"); !strings.Contains(line, imageB) || h.line(t, isoOfW0) == "" {
		t.Errorf("the server has %q, and of its ISO %q", line, h.line(t, isoOfW0))
	}
	would := h.ingot(t, "publish", "vsphere", "hill", "--machines", "--dry-run")
	if !strings.Contains(would, "machine m0: kept") || strings.Count(would, "--replace") != 1 {
		t.Errorf("Ingot sees it otherwise:\n%s", would)
	}
}

// TestGuestinfo: without a drive the keys of the nodes are where the module's
// README says that they are: in the machine's settings, and in the state.
func TestGuestinfo(t *testing.T) {
	h := newHill(t)
	file := filepath.Join(h.dir, "clusters", "hill", "cluster.yaml")
	write(t, file, strings.Replace(read(t, file), "    cluster: DC0_C0\n", "    cluster: DC0_C0\n    identity: guestinfo\n", 1))
	h.ingot(t, "export", "terraform", "hill")
	h.ok(t, "init", "-no-color")
	h.ok(t, "apply", "-no-color", "-auto-approve", oneByOne)
	would := h.ingot(t, "publish", "vsphere", "hill", "--machines", "--dry-run")
	if strings.Contains(would, "would") || strings.Contains(would, "--replace") || strings.Count(would, "kept") != 3 {
		t.Errorf("Ingot would make it otherwise:\n%s", would)
	}
	if h.line(t, isoOfW0) != "" {
		t.Error("there is a config ISO")
	}
	if state := read(t, filepath.Join(h.root(), "terraform.tfstate")); !strings.Contains(state, "guestinfo.") {
		t.Error("the state has no guestinfo any more: say so in deploy/terraform/vsphere/README.md")
	}
}
