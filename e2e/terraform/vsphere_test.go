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

// TestVSphere makes the machines of a cluster by the real provider at a
// simulator, takes the identities away, and removes all.
func TestVSphere(t *testing.T) {
	h := newHill(t)
	before := h.ours(t)
	h.ok(t, "init", "-no-color")
	h.ok(t, "validate", "-no-color")
	h.ok(t, "apply", "-no-color", "-auto-approve")
	h.wantNoKey(t)
	h.unchanged(t)
	t.Log(strings.Join(h.ours(t), "\n"))
	t.Log(h.ingot(t, "publish", "vsphere", "hill", "--machines", "--dry-run"))
	h.ok(t, "apply", "-no-color", "-auto-approve", "-var", "attach_identities=false")
	t.Log(strings.Join(h.ours(t), "\n"))
	h.ok(t, "destroy", "-no-color", "-auto-approve")
	if after := h.ours(t); !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}
