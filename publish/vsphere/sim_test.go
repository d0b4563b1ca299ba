package vsphere

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/ovf"
	"github.com/ingot-k8s/ingot/internal/need/vcsim"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/simulator"
)

const (
	imageA = "0123456789ab"
	imageB = "ba9876543210"
	// keyMaterial stands for what an identity holds.
	keyMaterial = "-----BEGIN EC PRIVATE KEY----- of a node that nobody may see"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the simulator's, also of faults that tests inject
	os.Exit(m.Run())
}

// models are the two kinds of servers.
func models() map[string]func() *simulator.Model {
	return map[string]func() *simulator.Model{
		"vCenter": vCenter,
		"ESXi":    simulator.ESX,
	}
}

// vCenter is a small one: a cluster of a host, a distributed port group, and
// machines of others.
func vCenter() *simulator.Model {
	m := simulator.VPX()
	m.Host, m.ClusterHost = 0, 1
	return m
}

// eachModel runs a test against both.
func eachModel(t *testing.T, test func(t *testing.T, w *world)) {
	for name, model := range models() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, model()))
		})
	}
}

// world is a simulator and what is published to it.
type world struct {
	*vcsim.Server
	dir string
	cfg Config
}

func newWorld(t *testing.T, model *simulator.Model) *world {
	t.Helper()
	server, err := vcsim.Start(model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w := &world{Server: server, dir: t.TempDir()}
	w.cfg = Config{
		Cluster: "prod",
		Where: cluster.PublishVSphere{
			Server: server.Address(), Network: "VM Network", Firmware: "efi", Identity: cluster.VSphereISO,
		},
		Trust:       Trust{CAFile: w.caFile(t)},
		Credentials: Credentials{User: vcsim.User, Password: vcsim.Password},
		Image:       w.ova(t, imageA),
		Machines:    []Machine{w.node(t, "master0", 4), w.node(t, "worker0", 2)},
		Now:         time.Now,
	}
	if model.Cluster > 0 {
		w.cfg.Where.Cluster = "DC0_C0"
	}
	return w
}

// caFile is the server's certificate, which is its own authority.
func (w *world) caFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(w.dir, "ca.pem")
	write(t, path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Certificate().Raw}))
	return path
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ova makes a small image, as a bake would.
func (w *world) ova(t *testing.T, id string) Image {
	t.Helper()
	path := filepath.Join(w.dir, "prod-"+id+".ova")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 1<<20)
	copy(content, id)
	opts := images.OVAOptions{Machine: ovf.Machine{Name: "prod-" + id, Properties: ovf.IgnitionProperties()}}
	if _, err := images.WriteOVA(t.Context(), f, images.Bytes(content), opts); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return Image{ID: id, OVA: path, SHA256: sumFile(t, path)}
}

func sumFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// node is a machine with an identity on an ISO.
func (w *world) node(t *testing.T, name string, cpus int) Machine {
	t.Helper()
	path := filepath.Join(w.dir, name+".iso")
	write(t, path, []byte(name+keyMaterial))
	return Machine{Node: name, Identity: path, Size: cluster.VSphereSize{CPUs: cpus, MemoryMiB: 4096, DiskGiB: 20}}
}

// destination is that of the configuration.
func (w *world) destination(t *testing.T) *Destination {
	t.Helper()
	d, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// publish publishes, and wants no error.
func (w *world) publish(t *testing.T) *publish.Summary {
	t.Helper()
	s, err := w.destination(t).Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fails publishes, and wants an error.
func (w *world) fails(ctx context.Context, t *testing.T) error {
	t.Helper()
	_, err := w.destination(t).Publish(ctx)
	if err == nil {
		t.Fatal("publishing did not fail")
	}
	return err
}

func (w *world) state(t *testing.T) []string {
	t.Helper()
	s, err := w.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// want compares.
func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

// states are the items of a summary in short.
func states(s *publish.Summary) []string {
	var out []string
	for _, i := range s.Items {
		out = append(out, i.Kind+" "+i.Name+" "+string(i.State))
	}
	return out
}

// methodsOf are the calls of a summary in short.
func methodsOf(s *publish.Summary) []string {
	var out []string
	for _, c := range s.Calls {
		out = append(out, c.Method)
	}
	return out
}
