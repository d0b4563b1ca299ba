package digitalocean_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/need/ocean"
	"github.com/ingot-k8s/ingot/internal/need/prism"
	"github.com/ingot-k8s/ingot/internal/need/s3"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
	"github.com/ingot-k8s/ingot/publish/objectstore"
)

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKwFW44jf15h8vmVho6LytQLxCUABghb9chAfLiOSyNC ops@example.com"

// definition is a cluster with everything that DigitalOcean can hold of one.
const definition = `apiVersion: ingot/v1
kind: Cluster
name: sea
domain: sea.example.com
api: {names: [api.sea.example.com], public: true}
image: {targets: [digitalocean]}
access: {sshKeys: ["` + sshKey + `"]}
publish:
  digitalocean:
    regions: [fra1, ams3]
    size: s-2vcpu-4gb
    sizes: {edge0: s-1vcpu-1gb}
    vpcRanges: {fra1: 192.168.16.0/20, ams3: 192.168.32.0/20}
    dnsZone: example.com
nodes:
  - {name: master0, roles: [controller, worker], zone: fra1, address: 198.51.100.10}
  - {name: master1, roles: [controller, worker], zone: fra1}
  - {name: master2, roles: [controller, worker], zone: ams3}
  - {name: edge0, roles: [edge], zone: fra1}
`

func load(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	var r diag.Report
	c, err := cluster.Parse(filepath.Join(t.TempDir(), "cluster.yaml"), []byte(text), nil, &r)
	if err != nil {
		var b strings.Builder
		_ = r.Write(&b)
		t.Fatalf("%v\n%s", err, b.String())
	}
	return c
}

// world is an account, a bucket and what stands between them and Ingot.
type world struct {
	t       *testing.T
	ocean   *ocean.Ocean
	service *s3.Service
	url     string
	image   digitalocean.Image
	wire    *wire
	said    *said
	data    string // of the user data
	now     time.Time
}

const imageID = "0123456789ab"

func newWorld(t *testing.T, service *s3.Service, handler func(http.Handler) http.Handler) *world {
	t.Helper()
	w := &world{t: t, ocean: ocean.New(t), service: service, wire: &wire{}, said: &said{}, data: "PRIVATE", now: time.Unix(1795000000, 0)}
	w.ocean.Zone = "example.com"
	w.ocean.Reserved["198.51.100.10"] = 0
	var h http.Handler = w.ocean
	if handler != nil {
		h = handler(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	w.url = server.URL + "/"
	w.image = imageOf(t, imageID)
	return w
}

func imageOf(t *testing.T, id string) digitalocean.Image {
	t.Helper()
	data := []byte("an image, as far as this test goes: " + id)
	path := filepath.Join(t.TempDir(), "sea.raw.gz")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return digitalocean.Image{ID: id, File: path, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}
}

// config is one of everything.
func (w *world) config() digitalocean.Config {
	c := load(w.t, definition)
	bucket, err := objectstore.New(objectstore.Config{Endpoint: w.service.URL, Bucket: w.service.Bucket, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Transport: w.wire})
	if err != nil {
		w.t.Fatal(err)
	}
	return digitalocean.Config{
		Cluster: c, Token: ocean.Token, URL: w.url, Regions: []string{"fra1", "ams3"}, Bucket: bucket, Image: w.image, Droplets: true,
		UserData: func(node string) ([]byte, error) { return []byte(w.data + " of " + node), nil },
		Progress: w.said, Transport: w.wire, Timeout: time.Hour,
		Now: func() time.Time { return w.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.now = w.now.Add(d)
			return ctx.Err()
		},
	}
}

func (w *world) open(cfg digitalocean.Config) *digitalocean.Destination {
	w.t.Helper()
	d, err := digitalocean.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) publish(cfg digitalocean.Config) *publish.Summary {
	w.t.Helper()
	s, err := w.open(cfg).Publish(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.noSecret(s, nil)
	return s
}

// noSecret looks for secrets in all that people see.
func (w *world) noSecret(s *publish.Summary, err error) {
	w.t.Helper()
	text, jerr := json.Marshal(s)
	if jerr != nil {
		w.t.Fatal(jerr)
	}
	for _, secret := range []string{ocean.Token, s3.SecretKey, "PRIVATE", "X-Amz-Signature"} {
		if strings.Contains(string(text)+fmt.Sprint(err)+w.said.String(), secret) {
			w.t.Errorf("%q is shown", secret)
		}
	}
}

// said is what a display was told.
type said struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *said) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.b, format+"\n", args...)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *said) Begin(step string)                      { s.add("begin %s", step) }
func (s *said) Advance(step string, done, total int64) { s.add("%s: %d of %d", step, done, total) }
func (s *said) Say(step, text string)                  { s.add("%s: %s", step, text) }
func (s *said) End(step string, _ time.Duration, _ bool, _ int64, err error) {
	s.add("end %s: %v", step, err)
}

// wire stands before the network and can spoil requests.
type wire struct {
	mu    sync.Mutex
	n     int
	spoil func(n int, r *http.Request) (*http.Response, error)
	after func(n int, r *http.Request, response *http.Response) (*http.Response, error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.n++
	n, spoil, after := w.n, w.spoil, w.after
	w.mu.Unlock()
	if spoil != nil {
		if response, err := spoil(n, r); response != nil || err != nil {
			return response, err
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && after != nil {
		return after(n, r, response)
	}
	return response, err
}

// answer makes one that the server has not given.
func answer(r *http.Request, code int, message string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	body, _ := json.Marshal(map[string]string{"id": "x", "message": message}) //nolint:errchkjson // strings
	return &http.Response{StatusCode: code, Request: r, Header: h, Body: io.NopCloser(strings.NewReader(string(body)))}
}

func states(s *publish.Summary) map[string]publish.State {
	out := map[string]publish.State{}
	for _, i := range s.Items {
		key := i.Kind + " " + i.Name
		if i.Where != "" && (i.Kind == "image" || i.Kind == "snapshot") {
			key += " " + i.Where
		}
		out[key] = i.State
	}
	return out
}

// TestAll does everything by DigitalOcean's own description: image, snapshot,
// Droplets; again, which changes nothing; and away with it.
func TestAll(t *testing.T) {
	description := prism.DigitalOcean(t)
	w := newWorld(t, s3.Start(t), func(h http.Handler) http.Handler { return prism.Proxy(t, description, h) })
	cfg := w.config()
	cfg.Snapshot = true
	dry := cfg
	dry.DryRun = true
	would := w.publish(dry)
	if len(w.ocean.Images)+len(w.ocean.Droplets)+len(w.ocean.Tags)+len(w.ocean.VPCs)+len(w.ocean.Keys)+len(w.ocean.Records) > 0 {
		t.Fatal("the dry run made something")
	}
	s := w.publish(cfg)
	calls(t, s, w.service.URL)
	if diff := cmp.Diff(callTargets(s), callTargets(would)); diff != "" {
		t.Errorf("the dry run has other calls (-made +would):\n%s", diff)
	}
	if got := w.ocean.Imported["sea-"+imageID]; got != w.image.SHA256 {
		t.Errorf("imported: %q", got)
	}
	objects, err := cfg.Bucket.List(t.Context(), "")
	if err != nil || len(objects) > 0 {
		t.Errorf("left in the bucket: %v, %v", objects, err)
	}
	w.check()
	before := w.state()
	again := w.publish(cfg)
	for what, state := range states(again) {
		if state != publish.Kept {
			t.Errorf("again: %s: %s", what, state)
		}
	}
	if len(again.Calls) > 0 || w.state() != before {
		t.Errorf("again: %v", again.Calls)
	}
	w.listAndDelete(cfg)
}

// check holds the account against the definition.
func (w *world) check() {
	w.t.Helper()
	if len(w.ocean.Droplets) != 4 || len(w.ocean.Firewalls) != 3 || len(w.ocean.VPCs) != 2 || len(w.ocean.Keys) != 1 || len(w.ocean.Images) != 2 {
		w.t.Errorf("made: %s", w.state())
	}
	for id, d := range w.ocean.Droplets {
		name := fmt.Sprint(d.Body["name"])
		node := strings.TrimSuffix(name, ".sea.example.com")
		if d.Body["status"] != "active" || d.Body["user_data"] != "PRIVATE of "+node || !slices.Contains(d.Body["tags"].([]string), "ingot-role:sea:"+map[bool]string{true: "edge", false: "controller"}[node == "edge0"]) {
			w.t.Errorf("Droplet %s: %v", name, d.Body)
		}
		if node == "master0" && w.ocean.Reserved["198.51.100.10"] != id {
			w.t.Errorf("the reserved IP is elsewhere: %v", w.ocean.Reserved)
		}
	}
	names := map[string]int{}
	for _, r := range w.ocean.Records {
		names[fmt.Sprint(r.Body["type"], " ", r.Body["name"])]++
	}
	want := map[string]int{
		"TXT _ingot.sea": 1, "A master0.sea": 1, "A master1.sea": 1, "A master2.sea": 1, "A edge0.sea": 1, "A api.sea": 3, "A edge.sea": 1, "A *.sea": 1,
	}
	if diff := cmp.Diff(want, names); diff != "" {
		w.t.Errorf("names (-want +got):\n%s", diff)
	}
}

func (w *world) listAndDelete(cfg digitalocean.Config) {
	w.t.Helper()
	listed, err := w.open(cfg).List(w.t.Context())
	if err != nil || len(listed.Items) != 2+4+3+2+1 {
		w.t.Errorf("list: %v, %v", listed.Items, err)
	}
	foreign := w.ocean.Foreign()
	if _, err := w.open(cfg).Delete(w.t.Context(), publish.Removal{Machines: true}); err != nil {
		w.t.Fatal(err)
	}
	if got := w.ocean.Foreign(); got != foreign {
		w.t.Errorf("what is of others changed:\n%s\n%s", foreign, got)
	}
	listed, err = w.open(cfg).List(w.t.Context())
	if err != nil || len(listed.Items) != 0 {
		w.t.Errorf("left: %v, %v", listed, err)
	}
	if left := w.state(); left != "" {
		w.t.Errorf("left: %s", left)
	}
}

// state is all that the account has, without what differs from run to run, such
// as numbers; and what the bucket has.
func (w *world) state() string {
	w.t.Helper()
	lines := w.ocean.State()
	entries, err := os.ReadDir(w.service.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			lines = append(lines, "object "+e.Name())
		}
	}
	return strings.Join(lines, "\n")
}

func callTargets(s *publish.Summary) []string {
	var out []string
	for _, c := range s.Calls {
		words := strings.FieldsFunc(c.Target, func(r rune) bool { return r == '/' })
		for i, word := range words { // ids of things that a dry run has not
			if strings.Trim(word, "0123456789") == "" || word == "(id)" {
				words[i] = "ID"
			}
		}
		out = append(out, c.Method+" "+strings.Join(words, "/"))
	}
	return out
}

// TestInterrupted breaks a run off after every request, and runs it again: in
// the end there is what an uninterrupted run makes, once.
func TestInterrupted(t *testing.T) {
	service := s3.Start(t)
	whole := newWorld(t, service, nil)
	cfg := whole.config()
	cfg.Snapshot = true
	whole.publish(cfg)
	want, count := whole.state(), whole.wire.n
	t.Logf("%d requests", count)
	for k := 1; k <= count; k++ {
		for _, how := range []string{"stopped after", "answer lost"} {
			w := newWorld(t, service, nil)
			w.interrupt(k, how)
			if got := w.state(); got != want {
				t.Fatalf("%s request %d of %d:\n%s", how, k, count, cmp.Diff(want, got))
			}
		}
	}
}

// interrupt spoils request k of a run and then runs it again.
func (w *world) interrupt(k int, how string) {
	w.t.Helper()
	cfg := w.config()
	cfg.Snapshot = true
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	switch how {
	case "stopped after":
		w.wire.after = func(n int, _ *http.Request, response *http.Response) (*http.Response, error) {
			if n >= k {
				cancel()
			}
			return response, nil
		}
	case "answer lost":
		w.wire.after = func(n int, _ *http.Request, response *http.Response) (*http.Response, error) {
			if n == k {
				_ = response.Body.Close()
				return nil, io.ErrUnexpectedEOF
			}
			return response, nil
		}
	}
	s, err := w.open(cfg).Publish(ctx)
	if how == "answer lost" && err != nil {
		w.t.Fatalf("request %d, answer lost: %v", k, err)
	}
	w.noSecret(s, err)
	w.wire.spoil, w.wire.after = nil, nil
	w.publish(cfg)
}
