package destination

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	registry "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/ovf"
	"github.com/ingot-k8s/ingot/internal/need/ocean"
	"github.com/ingot-k8s/ingot/internal/need/s3"
	"github.com/ingot-k8s/ingot/internal/need/vcsim"
	"github.com/ingot-k8s/ingot/internal/packerplugin/image"
	"github.com/ingot-k8s/ingot/internal/packerplugin/post"
	"github.com/vmware/govmomi/simulator"
)

const id = "0123456789ab"

// baked is what ingot-image gives for a definition, with a disk of a few bytes.
func baked(t *testing.T, target, settings string, format builder.Format, data []byte) *packersdk.MockArtifact {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "cluster.yaml")
	text := "apiVersion: ingot/v1\nkind: Cluster\nname: sea\ndomain: sea.example.com\nimage: {targets: [" + target + "]}\n" +
		"publish: " + settings + "\nnodes:\n  - {name: m0, roles: [controller], address: 192.0.2.10}\n"
	put(t, file, []byte(text), 0o644)
	c, _, err := cluster.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	definition, err := builder.DefinitionSum(c)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	m := &builder.Manifest{
		Format: builder.ManifestFormat, Cluster: "sea", ID: id, Date: time.Unix(1e9, 0).UTC(), Targets: c.Def.Image.Targets,
		Inputs: builder.Inputs{Definition: definition},
		Files:  []builder.Output{{Name: "sea-" + id + "." + string(format), Format: format, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}},
	}
	list, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, builder.ManifestFile), list, 0o644)
	put(t, filepath.Join(dir, m.Files[0].Name), data, 0o644)
	return &packersdk.MockArtifact{BuilderIdValue: image.BuilderID, StateValues: map[string]any{
		image.StateManifest: filepath.Join(dir, builder.ManifestFile), image.StateDefinition: file,
	}}
}

func put(t *testing.T, file string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, data, mode); err != nil {
		t.Fatal(err)
	}
}

// process runs a post-processor, and gives what it says, too.
func process(t *testing.T, p *post.Processor, from packersdk.Artifact, settings map[string]any) (packersdk.Artifact, string, error) {
	t.Helper()
	if err := p.Configure(settings); err != nil {
		return nil, "", err
	}
	var said bytes.Buffer
	made, keep, must, err := p.PostProcess(t.Context(), &packersdk.BasicUi{Reader: strings.NewReader(""), Writer: &said, ErrorWriter: &said}, from)
	if !keep || must {
		t.Errorf("the image stays: %v, always: %v", keep, must)
	}
	return made, said.String(), err
}

// expect expects each text in what was said.
func expect(t *testing.T, said string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("it does not say %q:\n%s", text, said)
		}
	}
}

func TestDigitalOcean(t *testing.T) {
	service := s3.Start(t)
	account := ocean.New(t)
	account.Slow = 0
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"DIGITALOCEAN_API_URL": server.URL, "DIGITALOCEAN_TOKEN": "", "DIGITALOCEAN_ACCESS_TOKEN": "", "SPACES_ACCESS_KEY_ID": "",
		"AWS_ACCESS_KEY_ID": s3.AccessKey, "AWS_SECRET_ACCESS_KEY": s3.SecretKey,
	} {
		t.Setenv(name, value)
	}
	data := []byte("a disk, as far as an upload goes")
	from := baked(t, "digitalocean", "{digitalocean: {regions: [nyc3], bucket: elsewhere}}", builder.RawGZ, data)
	settings := map[string]any{"regions": []string{"fra1", "ams3"}, "bucket": service.Bucket, "endpoint": service.URL, "timeout": "1m"}
	_, _, err := process(t, DigitalOcean(), from, settings)
	expect(t, fmt.Sprint(err), "ingot-digitalocean: there is no token of DigitalOcean", "name a file by token_file")

	token := filepath.Join(t.TempDir(), "token")
	put(t, token, []byte(ocean.Token+"\n"), 0o644)
	settings["token_file"] = token
	_, _, err = process(t, DigitalOcean(), from, settings)
	expect(t, fmt.Sprint(err), token+" has mode 0644: others may read it; want 0600")
	if err := os.Chmod(token, 0o600); err != nil {
		t.Fatal(err)
	}

	made, said, err := process(t, DigitalOcean(), from, settings)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, said, "image sea-"+id+": created, id "+made.Id()+", in fra1", "image sea-"+id+": created, id "+made.Id()+", in ams3", "upload s3://")
	for _, secret := range []string{ocean.Token, s3.SecretKey, "X-Amz"} {
		if strings.Contains(said+made.String(), secret) {
			t.Errorf("it says %s", secret)
		}
	}
	sum := sha256.Sum256(data)
	if account.Imported["sea-"+id] != hex.EncodeToString(sum[:]) {
		t.Errorf("other bytes were imported: %v", account.Imported)
	}
	told, ok := made.State(registry.ArtifactStateURI).(map[string]any)
	if !ok || told["ImageID"] != made.Id() || told["ProviderRegion"] != "fra1,ams3" || made.BuilderId() != "ingot.digitalocean" {
		t.Errorf("a registry learns %v of %s", told, made.BuilderId())
	}
	if made.State(image.StateManifest) != from.StateValues[image.StateManifest] {
		t.Error("another post-processor cannot follow")
	}

	again, said, err := process(t, DigitalOcean(), from, settings)
	if err != nil || again.Id() != made.Id() || strings.Contains(said, "created") {
		t.Errorf("a second run is not the first: %v\n%s", err, said)
	}
	if err := made.Destroy(); err != nil {
		t.Fatal(err)
	}
	if state := account.State(); len(account.Images) > 0 {
		t.Errorf("it leaves %q", state)
	}
}

// vCenter is a small one, with one cluster of hosts.
func vCenter() *simulator.Model {
	m := simulator.VPX()
	m.Host, m.ClusterHost = 0, 1
	return m
}

// ova is one with an empty disk.
func ova(t *testing.T) []byte {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.ova"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it is read below
	if _, err := images.WriteOVA(t.Context(), f, images.Bytes(make([]byte, 1<<20)), images.OVAOptions{Machine: ovf.Machine{Name: "sea-" + id}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestVSphere(t *testing.T) {
	log.SetOutput(io.Discard) // the simulator's
	server, err := vcsim.Start(vCenter())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	from := baked(t, "esxi", "{vsphere: {server: '"+server.Address()+"', cluster: DC0_C0}}", builder.OVA, ova(t))
	t.Setenv("GOVC_USERNAME", "")
	t.Setenv("GOVC_PASSWORD", "")
	settings := map[string]any{"thumbprint": server.Thumbprint()}
	_, _, err = process(t, VSphere("test"), from, settings)
	expect(t, fmt.Sprint(err), "ingot-vsphere: ", "there is no GOVC_USERNAME", "name a file with them by credentials_file")

	login := filepath.Join(t.TempDir(), "login")
	put(t, login, []byte("GOVC_USERNAME="+vcsim.User+"\nGOVC_PASSWORD="+vcsim.Password+"\n"), 0o600)
	settings["credentials_file"] = login
	made, said, err := process(t, VSphere("test"), from, settings)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, said, "template sea-"+id+": created, id "+made.Id())
	if strings.Contains(said+made.String(), vcsim.Password) {
		t.Error("it says the password")
	}
	if err := made.Destroy(); err != nil {
		t.Fatal(err)
	}
	_, said, err = process(t, VSphere("test"), from, settings)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, said, "template sea-"+id+": created")
}

// What is not there cannot be brought.
func TestRefused(t *testing.T) {
	t.Setenv("DIGITALOCEAN_TOKEN", ocean.Token)
	from := baked(t, "qemu, digitalocean", "{}", builder.Raw, []byte("raw"))
	_, _, err := process(t, DigitalOcean(), from, nil)
	expect(t, fmt.Sprint(err), "it takes raw.gz, and the image sea-"+id+" has none", "put ingot-raw-gz before this")
	from = baked(t, "qemu", "{}", builder.RawGZ, []byte("raw"))
	_, _, err = process(t, DigitalOcean(), from, nil)
	expect(t, fmt.Sprint(err), "was not made for digitalocean", "hint: add digitalocean to image.targets")
	from = baked(t, "esxi", "{}", builder.OVA, []byte("ova"))
	_, _, err = process(t, VSphere("test"), from, nil)
	expect(t, fmt.Sprint(err), "has no publish.vsphere", "hint: docs/how-to/esxi.md")
	if _, _, err = process(t, VSphere("test"), &packersdk.MockArtifact{}, nil); err == nil {
		t.Error("it takes what others make")
	}
	if _, _, err = process(t, DigitalOcean(), from, map[string]any{"token": "secret"}); err == nil {
		t.Error("it takes a token from a template")
	}
}
