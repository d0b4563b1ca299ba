package terraform_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need/ocean"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
)

const (
	imageA = "0123456789ab"
	imageB = "ba9876543210"
)

// sea is the account with the cluster's image.
type sea struct {
	*world
	account *ocean.Ocean
	url     string
}

func newSea(t *testing.T) *sea {
	t.Helper()
	account := ocean.New(t)
	account.Slow, account.Zone = 0, "example.com"
	account.Reserved["198.51.100.10"] = 0
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	s := &sea{account: account, url: server.URL}
	s.world = newWorld(t, "sea", "digitalocean", map[string]string{"DIGITALOCEAN_TOKEN": ocean.Token, "DIGITALOCEAN_API_URL": server.URL})
	write(t, filepath.Join(s.dir, "clusters", "sea", "cluster.yaml"), read(t, filepath.Join("testdata", "sea.yaml")))
	s.ingot(t, "iso", "sea")
	s.imported(t, 1, imageA)
	return s
}

// imported has the account know an image, as "ingot publish" leaves it.
func (s *sea) imported(t *testing.T, number int, id string) {
	t.Helper()
	s.bake(t, id, builder.RawGZ, []byte("a disk, as far as this test goes: "+id))
	tags := []string{"ingot", "ingot:sea", "ingot-image:" + id}
	s.account.Images[number] = &ocean.Thing{Body: map[string]any{
		"id": number, "name": "sea-" + id, "type": "custom", "distribution": "Unknown", "slug": nil, "public": false, "regions": []string{"fra1", "ams3"},
		"created_at": "2026-11-22T10:00:00Z", "min_disk_size": 5, "size_gigabytes": 1, "description": "", "tags": tags, "status": "available", "error_message": "",
	}}
	for _, tag := range tags {
		s.account.Tags[tag] = true
	}
	s.ingot(t, "export", "terraform", "sea")
}

// quiet is a progress that nobody sees.
type quiet struct{}

func (quiet) Begin(string)                                  {}
func (quiet) Advance(string, int64, int64)                  {}
func (quiet) Say(string, string)                            {}
func (quiet) End(string, time.Duration, bool, int64, error) {}

// ingotWould is what "ingot publish digitalocean --droplets" would do.
func (s *sea) ingotWould(t *testing.T, id string) []string {
	t.Helper()
	c, _, err := cluster.Load(filepath.Join(s.dir, "clusters", "sea", "cluster.yaml"))
	check(t, err)
	d, err := digitalocean.New(digitalocean.Config{
		Cluster: c, Token: ocean.Token, URL: s.url, Regions: []string{"fra1", "ams3"}, Image: digitalocean.Image{ID: id}, Droplets: true, DryRun: true,
		UserData: func(node string) ([]byte, error) {
			return []byte(read(t, filepath.Join(s.out(), "nodes", node, "user_data.inline"))), nil
		},
		Progress: quiet{}, Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	check(t, err)
	summary, err := d.Publish(t.Context())
	check(t, err)
	var out []string
	for _, call := range summary.Calls {
		out = append(out, call.Method+" "+call.Target)
	}
	for _, i := range summary.Items {
		if i.State != publish.Kept || strings.Contains(i.Note, "--replace") {
			out = append(out, fmt.Sprintf("%s %s %s %s", i.Kind, i.Name, i.State, i.Note))
		}
	}
	return out
}

// droplet is the one of a node.
func (s *sea) droplet(t *testing.T, node string) map[string]any {
	t.Helper()
	for _, d := range s.account.Droplets {
		if d.Body["name"] == node+".sea.example.com" {
			return d.Body
		}
	}
	t.Fatalf("there is no Droplet of %s", node)
	return nil
}

// record is the value of a name.
func (s *sea) record(name string) any {
	for _, r := range s.account.Records {
		if r.Body["name"] == name {
			return r.Body["data"]
		}
	}
	return nil
}

// TestDigitalOcean makes the machines of a cluster by the real provider, changes
// the image, replaces one, and removes all.
func TestDigitalOcean(t *testing.T) {
	s := newSea(t)
	before := s.account.State()
	s.ok(t, "init", "-no-color")
	s.ok(t, "validate", "-no-color")
	s.ok(t, "plan", "-no-color", "-out", "plan")
	s.wantNoKey(t)
	s.ok(t, "apply", "-no-color", "plan")
	s.wantNoKey(t)
	s.unchanged(t)
	if would := s.ingotWould(t, imageA); len(would) > 0 {
		t.Errorf("Ingot would make it otherwise:\n%s", strings.Join(would, "\n"))
	}
	if a := s.output(t, "addresses"); a["master0"] != "198.51.100.10" || !strings.HasPrefix(a["edge0"], "203.0.113.") || len(a) != 3 {
		t.Errorf("addresses %v", a)
	}
	if data := s.droplet(t, "edge0")["user_data"]; data != read(t, filepath.Join(s.out(), "nodes", "edge0", "user_data.inline")) {
		t.Error("the Droplet has not the user data of its node")
	}
	s.newImage(t)
	s.ok(t, "destroy", "-no-color", "-auto-approve")
	s.account.Images = map[int]*ocean.Thing{1: s.account.Images[1]}
	if after := s.account.State(); !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

// newImage brings another image, and has one machine made anew.
func (s *sea) newImage(t *testing.T) {
	t.Helper()
	s.imported(t, 2, imageB)
	s.unchanged(t) // no machine loses its disk by itself
	old := s.droplet(t, "worker0")["id"]
	s.ok(t, "apply", "-no-color", "-auto-approve", `-replace=module.cluster.digitalocean_droplet.node["worker0"]`)
	now := s.droplet(t, "worker0")
	if img := now["image"].(map[string]any); now["id"] == old || img["name"] != "sea-"+imageB {
		t.Errorf("the Droplet is of the image %v", img["name"])
	}
	if tags := now["tags"].([]string); !slices.Contains(tags, "ingot-image:"+imageB) || slices.Contains(tags, "ingot-image:"+imageA) {
		t.Errorf("the Droplet has the tags %v", tags)
	}
	if now["user_data"] != read(t, filepath.Join(s.out(), "nodes", "worker0", "user_data.inline")) {
		t.Errorf("the new Droplet has not the user data of its node, but %.60q", now["user_data"])
	}
	if got, want := s.record("worker0.sea"), s.output(t, "addresses")["worker0"]; got != want {
		t.Errorf("the name of the new Droplet leads to %s, want %s", got, want)
	}
	if img := s.droplet(t, "master0")["image"].(map[string]any); img["name"] != "sea-"+imageA {
		t.Error("another Droplet was made anew")
	}
	s.unchanged(t)
}

// TestDigitalOceanRefused: what cannot work is said before anything is made.
func TestDigitalOceanRefused(t *testing.T) {
	s := newSea(t)
	s.ok(t, "init", "-no-color")
	s.account.Images[1].Body["regions"] = []string{"fra1"}
	s.fails(t, "not in the region of every node: ingot publish digitalocean sea", "apply", "-no-color", "-auto-approve")
	delete(s.account.Images, 1)
	s.fails(t, "no image found with name sea-"+imageA, "apply", "-no-color", "-auto-approve")
	if len(s.account.Droplets)+len(s.account.VPCs)+len(s.account.Firewalls) > 0 {
		t.Errorf("something was made:\n%s", strings.Join(s.account.State(), "\n"))
	}
}
