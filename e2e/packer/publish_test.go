package packer_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/need/ocean"
	"github.com/ingot-k8s/ingot/internal/need/s3"
	"github.com/ingot-k8s/ingot/internal/need/vcsim"
	"github.com/vmware/govmomi/simulator"
)

// published: post-processors bring an image to DigitalOcean and to vSphere, with
// the bytes that were baked; Packer records what it is called there, says no
// secret even in its log, and can have it destroyed.
func published(t *testing.T, w *world) {
	log.SetOutput(io.Discard) // the simulator's
	service, account := s3.Start(t), ocean.New(t)
	account.Slow = 0
	sea := httptest.NewServer(account)
	t.Cleanup(sea.Close)
	model := simulator.VPX()
	model.Host, model.ClusterHost = 0, 1
	hill, err := vcsim.Start(model)
	check(t, err)
	t.Cleanup(hill.Close)

	cluster := w.elsewhere(t, hill.Address())
	login := filepath.Join(t.TempDir(), "login")
	check(t, os.WriteFile(login, []byte("GOVC_USERNAME="+vcsim.User+"\nGOVC_PASSWORD="+vcsim.Password+"\n"), 0o600))
	run := invocation{dir: t.TempDir(), env: []string{
		"DIGITALOCEAN_TOKEN=" + ocean.Token, "DIGITALOCEAN_API_URL=" + sea.URL, "AWS_ACCESS_KEY_ID=" + s3.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3.SecretKey,
		"PACKER_LOG=1",
	}}
	destinations := func(more string) string {
		return strings.ReplaceAll(image(`"raw", "raw.gz"`, `
  post-processors {
    post-processor "ingot-digitalocean" {
      regions  = ["fra1", "ams3"]
      bucket   = "`+service.Bucket+`"
      endpoint = "`+service.URL+`"
    }
    `+more+`
  }
  post-processors {
    post-processor "ingot-ova" {}
    post-processor "ingot-vsphere" {
      credentials_file = "`+login+`"
      thumbprint       = "`+hill.Thumbprint()+`"
    }
    `+more+`
  }`), "CLUSTERS/lab", cluster)
	}
	r := w.template(t, run, destinations(`post-processor "manifest" {}`), "build").ended(t, 0, ": created, id ")
	m, err := builder.ReadManifest(filepath.Join(run.dir, "out", builder.ManifestFile))
	check(t, err)
	name := "lab-" + m.ID
	if gz, _ := m.File(builder.RawGZ); account.Imported[name] != gz.SHA256 || gz.SHA256 == "" {
		t.Errorf("DigitalOcean has %v, want %s", account.Imported, gz.SHA256)
	}
	hill.Settle()
	has, err := hill.State()
	check(t, err)
	if !slices.ContainsFunc(has, func(line string) bool { return strings.Contains(line, "machine "+name+" template=true") }) {
		t.Errorf("vSphere has no template %s: %q", name, has)
	}
	recordedAt(t, filepath.Join(run.dir, "packer-manifest.json"), r.stdout)
	for _, secret := range []string{ocean.Token, s3.SecretKey, vcsim.Password, "X-Amz-Signature"} {
		if strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("it says or logs %q", secret)
		}
	}

	// The same again is kept, and gone when something takes its place.
	w.template(t, run, destinations(`post-processor "artifice" {
      files               = ["test.txt"]
      keep_input_artifact = false
    }`), "build").ended(t, 0, "image "+name+": kept, id ", "template "+name+": kept, id ")
	hill.Settle()
	has, err = hill.State()
	check(t, err)
	if len(account.Images) > 0 || slices.ContainsFunc(has, func(line string) bool { return strings.Contains(line, name) }) {
		t.Errorf("what was destroyed is there: %q, %q", account.State(), has)
	}
}

// elsewhere is the cluster lab with other targets and destinations. Its folder is
// kept, with its lock, so that the next run bakes no other base.
func (w *world) elsewhere(t *testing.T, server string) string {
	t.Helper()
	lab, dir := filepath.Join(w.dir, "clusters", "lab"), filepath.Join(w.dir, "elsewhere", "lab")
	text, err := os.ReadFile(filepath.Join(lab, "cluster.yaml"))
	check(t, err)
	changed := strings.Replace(string(text), "targets: [qemu]", "targets: [digitalocean, esxi]", 1)
	if changed == string(text) {
		t.Fatalf("the targets of %s are written otherwise", lab)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		check(t, os.CopyFS(dir, os.DirFS(lab)))
	}
	check(t, os.WriteFile(filepath.Join(dir, "cluster.yaml"), []byte(changed+"publish: {vsphere: {server: '"+server+"', cluster: DC0_C0}}\n"), 0o644))
	// VMware's tools come with the target.
	w.command(t, invocation{}, w.ingot, "lock", "lab", "--clusters", filepath.Dir(dir)).ok(t)
	return dir
}

// recordedAt expects in Packer's record the ids that were said.
func recordedAt(t *testing.T, file, said string) {
	t.Helper()
	data, err := os.ReadFile(file)
	check(t, err)
	var record struct {
		Builds []struct {
			ID string `json:"artifact_id"`
		}
	}
	check(t, json.Unmarshal(data, &record))
	var got []string
	for _, b := range record.Builds {
		got = append(got, b.ID)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?:image|template) lab-[0-9a-f]+: created, id ([^,]+),`).FindAllStringSubmatch(said, -1) {
		if !slices.Contains(want, m[1]) { // an image in two regions is one
			want = append(want, m[1])
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) != 2 || !slices.Equal(got, want) {
		t.Errorf("it is recorded as %q, and said to be %q", got, want)
	}
}
