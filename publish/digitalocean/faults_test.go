package digitalocean_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need/ocean"
	"github.com/ingot-k8s/ingot/internal/need/s3"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
)

// toAPI reports a request that does not go to the bucket.
func toAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v2/") }

// TestPassing: faults that pass change nothing in what there is in the end.
func TestPassing(t *testing.T) {
	service := s3.Start(t)
	whole := newWorld(t, service, nil)
	whole.publish(whole.config())
	want := whole.state()
	for name, spoil := range map[string]func(w *world, n int, r *http.Request) (*http.Response, error){
		"many have a fault": func(_ *world, n int, r *http.Request) (*http.Response, error) {
			if n%7 == 0 || n%11 == 0 {
				return answer(r, []int{500, 502, 503, 504}[n%4], "a fault"), nil
			}
			return nil, nil
		},
		"many are cut": func(_ *world, n int, _ *http.Request) (*http.Response, error) {
			if n%7 == 0 || n%11 == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, nil
		},
		"too many": func(w *world, n int, r *http.Request) (*http.Response, error) {
			if n%10 == 1 {
				return answer(r, 429, "API rate limit exceeded", "Ratelimit-Reset", strconv.FormatInt(w.now.Add(10*time.Minute).Unix(), 10)), nil
			}
			return nil, nil
		},
		"too many, in seconds": func(_ *world, n int, r *http.Request) (*http.Response, error) {
			if n%10 == 1 {
				return answer(r, 429, "API rate limit exceeded", "Retry-After", "600"), nil
			}
			return nil, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, service, nil)
			began, spoiled := w.now, 0
			w.wire.spoil = func(n int, r *http.Request) (*http.Response, error) {
				if !toAPI(r) {
					return nil, nil
				}
				response, err := spoil(w, n, r)
				if response != nil || err != nil {
					spoiled++
				}
				return response, err
			}
			w.publish(w.config())
			if got := w.state(); got != want {
				t.Errorf("made:\n%s\nwant:\n%s", got, want)
			}
			if waited := w.now.Sub(began); strings.HasPrefix(name, "too many") && waited < time.Duration(spoiled)*10*time.Minute {
				t.Errorf("waited for %s after %d refusals", waited, spoiled)
			}
		})
	}
	t.Run("short pages", func(t *testing.T) {
		w := newWorld(t, service, nil)
		w.ocean.PerPage = 1
		w.publish(w.config())
		w.publish(w.config())
		if got := w.state(); got != want {
			t.Errorf("made:\n%s\nwant:\n%s", got, want)
		}
	})
}

// TestRefused: what cannot work is told, with advice where there is some, and
// before anything is made where it can be known; nothing is left behind.
func TestRefused(t *testing.T) {
	service := s3.Start(t)
	for name, c := range map[string]struct {
		spoil        func(w *world, cfg *digitalocean.Config)
		want, advice string
		made         bool // something may stay that a next run uses
	}{
		"closed region": {func(_ *world, c *digitalocean.Config) { c.Regions = []string{"ams2"} }, `the region "ams2" is not open`, "ams3, fra1", false},
		"no region":     {func(_ *world, c *digitalocean.Config) { c.Regions = nil }, "no region is given", "--region", false},
		"no bucket":     {func(_ *world, c *digitalocean.Config) { c.Bucket = nil }, "no bucket", "--bucket", false},
		"size": {func(w *world, c *digitalocean.Config) {
			c.Cluster = load(w.t, strings.Replace(definition, "size: s-2vcpu-4gb", "size: s-99vcpu", 1))
		}, `node "master1": the region "fra1" has no size "s-99vcpu"`, "", false},
		"address": {func(w *world, _ *digitalocean.Config) { delete(w.ocean.Reserved, "198.51.100.10") },
			`node "master0": its address 198.51.100.10 is not a reserved IP`, "reserved IP that was taken before", false},
		"large user data": {func(_ *world, c *digitalocean.Config) {
			c.UserData = func(string) ([]byte, error) { return make([]byte, 64<<10+1), nil }
		}, "its user data have 65537 bytes; want 1 to 65536", "", false},
		"token": {func(_ *world, c *digitalocean.Config) { c.Token = "hunter2" }, "the API says 401 unauthorized", "the token is wrong", false},
		"format": {func(w *world, _ *digitalocean.Config) { w.ocean.Refuse = "Image format is not supported" },
			"the platform refused the image: Image format is not supported", "image and upload are removed", false},
		"unreachable": {func(w *world, _ *digitalocean.Config) {
			w.ocean.Refuse = "could not fetch (not shown)" // as it would with the address in it
		}, "could not fetch", "", false},
		"limit of images": {func(w *world, _ *digitalocean.Config) {
			w.ocean.Limits["image"] = 1
			w.ocean.Images[1] = &ocean.Thing{Body: map[string]any{"id": 1, "name": "another", "tags": []string{}, "status": "available", "regions": []string{}}}
		}, "reached your limit of custom images", "the account has reached a limit", true},
		"limit of Droplets": {func(w *world, _ *digitalocean.Config) { w.ocean.Limits["droplet"] = 1 }, "will exceed your droplet limit", "the account has reached a limit", true},
		"no zone":           {func(w *world, _ *digitalocean.Config) { w.ocean.Zone = "example.net" }, `the account has no domain "example.com"`, "registrar", true},
		"name of another": {func(w *world, _ *digitalocean.Config) {
			w.ocean.Records[1] = &ocean.Thing{Body: map[string]any{"id": 1, "type": "A", "name": "edge.sea", "data": "192.0.2.77"}}
		}, `the name "edge.sea" in example.com is there already: A 192.0.2.77`, "what others have made is not changed", true},
		"addresses of the cluster": {func(w *world, c *digitalocean.Config) {
			text := strings.Replace(definition, "vpcRanges: {fra1: 192.168.16.0/20, ams3: 192.168.32.0/20}", "vpcRanges: {}", 1)
			c.Cluster = load(w.t, text+"mesh: {cidr: 10.114.0.0/16}\n")
		}, `the VPC "ingot-sea-fra1" has the addresses 10.114.0.0/20, of which the cluster uses some (10.114.0.0/16)`, "vpcRanges: {fra1:", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, service, nil)
			cfg := w.config()
			c.spoil(w, &cfg)
			before := w.state()
			s, err := w.open(cfg).Publish(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			w.noSecret(s, err)
			var advice *digitalocean.AdviceError
			if c.advice != "" && (!errors.As(err, &advice) || !strings.Contains(advice.Advice(), c.advice)) {
				t.Errorf("advice %v, want %q", advice, c.advice)
			}
			if got := w.state(); !c.made && strings.ReplaceAll(got, "tag ingot:sea", "") != before {
				t.Errorf("left:\n%s", got)
			}
			if len(w.ocean.VPCs) > 0 && name == "addresses of the cluster" {
				t.Error("the VPC is left")
			}
			w.clean(cfg)
		})
	}
}

// clean removes everything, as far as the token is good for it.
func (w *world) clean(cfg digitalocean.Config) {
	w.t.Helper()
	w.ocean.Zone = "example.com"
	good := w.config()
	if _, err := w.open(good).Delete(w.t.Context(), publish.Removal{Machines: true}); err != nil {
		w.t.Error(err)
	}
	if s, err := w.open(good).List(w.t.Context()); err != nil || len(s.Items) > 0 {
		w.t.Errorf("left: %v, %v", s, err)
	}
	_ = cfg
}

// TestSlow: a wait that is too long loses nothing; the next run sends nothing
// again.
func TestSlow(t *testing.T) {
	w := newWorld(t, s3.Start(t), nil)
	w.ocean.Slow = 1 << 30
	cfg := w.config()
	cfg.Droplets = false
	_, err := w.open(cfg).Publish(t.Context())
	var advice *digitalocean.AdviceError
	if err == nil || !strings.Contains(err.Error(), "still pending after 1h0m0s") || !errors.As(err, &advice) {
		t.Fatal(err)
	}
	w.ocean.Slow = 1
	puts := 0
	w.wire.spoil = func(_ int, r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			puts++
		}
		return nil, nil
	}
	s := w.publish(cfg)
	if puts > 0 || len(w.ocean.Images) != 1 || states(s)["image sea-"+imageID+" fra1"] != publish.Kept {
		t.Errorf("%d sent, %v", puts, s.Items)
	}
}

// TestHalfDone: what an earlier run left of no use is removed: imports that
// failed, and the second one of an image.
func TestHalfDone(t *testing.T) {
	w := newWorld(t, s3.Start(t), nil)
	tags := []string{"ingot", "ingot:sea", "ingot-image:" + imageID}
	thing := func(id int, status, message string) *ocean.Thing {
		return &ocean.Thing{Body: map[string]any{
			"id": id, "name": "sea-" + imageID, "type": "custom", "status": status, "error_message": message, "tags": tags, "regions": []string{"fra1"},
		}}
	}
	w.ocean.Images[1] = thing(1, "pending", "")
	w.ocean.Images[2] = thing(2, "available", "")
	w.ocean.Images[3] = thing(3, "pending", "it went wrong")
	cfg := w.config()
	cfg.Droplets = false
	w.publish(cfg)
	if len(w.ocean.Images) != 1 || w.ocean.Images[2] == nil {
		t.Errorf("left: %v", w.ocean.Images)
	}
}

// TestReplace: Droplets of an older image stay until they are to be replaced,
// and then all but the second and third controller are; foreign ones never.
func TestReplace(t *testing.T) {
	w := newWorld(t, s3.Start(t), nil)
	w.publish(w.config())
	w.image = imageOf(t, "ba9876543210")
	cfg := w.config()
	old := w.state()
	s := w.publish(cfg)
	for what, state := range states(s) {
		if strings.HasPrefix(what, "droplet") && state != publish.Kept {
			t.Errorf("%s: %s", what, state)
		}
	}
	if !strings.Contains(noteOf(s, "edge0.sea.example.com"), "of the image 0123456789ab; --replace makes it anew") {
		t.Errorf("note: %v", s.Items)
	}
	if got := droplets(w.state()); got != droplets(old) {
		t.Errorf("changed:\n%s", got)
	}
	cfg.Replace = true
	for run, left := range []int{2, 1, 0} {
		s = w.publish(cfg)
		if got := strings.Count(droplets(w.state()), "ingot-image:0123456789ab"); got != left {
			t.Errorf("run %d leaves %d of the older image, want %d: %v", run, got, left, s.Items)
		}
	}
	if s = w.publish(cfg); len(s.Calls) > 0 {
		t.Errorf("again: %v", s.Calls)
	}
	// The other image goes alone.
	if _, err := w.open(cfg).Delete(t.Context(), publish.Removal{Images: []string{imageID}}); err != nil || len(w.ocean.Images) != 1 || len(w.ocean.Droplets) != 4 {
		t.Errorf("%v: %s", err, w.state())
	}
}

// TestReplaceMissing: no controller is replaced while another is missing.
func TestReplaceMissing(t *testing.T) {
	w := newWorld(t, s3.Start(t), nil)
	w.publish(w.config())
	maps.DeleteFunc(w.ocean.Droplets, func(_ int, d *ocean.Thing) bool { return d.Body["name"] == "master2.sea.example.com" })
	w.image = imageOf(t, "ba9876543210")
	cfg := w.config()
	cfg.Replace = true
	s := w.publish(cfg)
	if got := strings.Count(droplets(w.state()), "ingot-image:0123456789ab"); got != 2 {
		t.Errorf("%d of the older image are left, want 2: %v", got, s.Items)
	}
	if note := noteOf(s, "master0.sea.example.com"); !strings.Contains(note, "when the others are healthy") {
		t.Errorf("note: %q", note)
	}
}

func noteOf(s *publish.Summary, name string) string {
	for _, i := range s.Items {
		if i.Name == name {
			return i.Note
		}
	}
	return ""
}

func droplets(state string) string {
	var out []string
	for line := range strings.Lines(state) {
		if strings.HasPrefix(line, "droplet") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// TestTwins: two Droplets of one node are for a person to look at.
func TestTwins(t *testing.T) {
	w := newWorld(t, s3.Start(t), nil)
	w.publish(w.config())
	for id, d := range w.ocean.Droplets {
		w.ocean.Droplets[id+500] = d
		break
	}
	_, err := w.open(w.config()).Publish(t.Context())
	if err == nil || !strings.Contains(err.Error(), "has 2 Droplets") || len(w.ocean.Droplets) != 5 {
		t.Error(err)
	}
}

// TestForeign: what looks like ours and is not stays, whatever is deleted.
func TestForeign(t *testing.T) {
	w := newWorld(t, s3.Start(t), nil)
	w.publish(w.config())
	o := w.ocean
	o.Images[1] = &ocean.Thing{Body: map[string]any{"id": 1, "name": "sea-" + imageID, "type": "custom", "tags": []string{"ingot:sea"}, "status": "available", "regions": []string{}}}
	o.Droplets[1] = &ocean.Thing{Body: map[string]any{"id": 1, "name": "master0.sea.example.com", "tags": []string{"ingot", "ingot:sea2", "ingot-node:master0"}, "status": "active"}}
	o.Firewalls["f"] = &ocean.Thing{Body: map[string]any{"id": "f", "name": "ingot-sea", "tags": []any{"web"}}}
	o.VPCs["v"] = &ocean.Thing{Body: map[string]any{"id": "v", "name": "ingot-sea-fra1", "description": "mine", "region": "fra1"}}
	o.Keys[1] = &ocean.Thing{Body: map[string]any{"id": 1, "name": "ingot-sea-laptop", "fingerprint": "x"}}
	o.Records[1] = &ocean.Thing{Body: map[string]any{"id": 1, "type": "A", "name": "www.sea", "data": "192.0.2.9"}}
	o.Tags["ingot:sea2"] = true
	if _, err := w.open(w.config()).Delete(t.Context(), publish.Removal{Machines: true}); err != nil {
		t.Fatal(err)
	}
	if len(o.Images) != 1 || len(o.Droplets) != 1 || len(o.Firewalls) != 1 || len(o.VPCs) != 1 || len(o.Keys) != 1 || len(o.Records) != 1 || !o.Tags["ingot:sea2"] || o.Tags["ingot:sea"] {
		t.Errorf("left:\n%s", w.state())
	}
}

// TestDeleteInterrupted breaks a deletion off after every request.
func TestDeleteInterrupted(t *testing.T) {
	service := s3.Start(t)
	for k := 1; ; k++ {
		w := newWorld(t, service, nil)
		cfg := w.config()
		w.publish(cfg)
		from := w.wire.n
		ctx, cancel := context.WithCancel(t.Context())
		w.wire.after = func(n int, _ *http.Request, response *http.Response) (*http.Response, error) {
			if n == from+k {
				cancel()
			}
			return response, nil
		}
		_, first := w.open(cfg).Delete(ctx, publish.Removal{Machines: true})
		cancel()
		w.wire.after = nil
		if _, err := w.open(cfg).Delete(t.Context(), publish.Removal{Machines: true}); err != nil {
			t.Fatal(err)
		}
		if left := w.state(); left != "" {
			t.Fatalf("after request %d: left:\n%s", k, left)
		}
		if first == nil {
			return // it was over before
		}
	}
}

// TestURL: the API is asked by TLS, or on this machine.
func TestURL(t *testing.T) {
	for address, want := range map[string]string{"http://api.example.com": "is not https", "nowhere": "is not the address", "https://api.example.com": "", "http://127.0.0.1:1": ""} {
		_, err := digitalocean.New(digitalocean.Config{Cluster: load(t, definition), Token: "x", URL: address, Progress: &said{}, Now: time.Now})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestRedirect: the token goes to nobody else.
func TestRedirect(t *testing.T) {
	w := newWorld(t, s3.Start(t), nil)
	other := ""
	w.wire.spoil = func(_ int, r *http.Request) (*http.Response, error) {
		if strings.Contains(w.url, r.URL.Host) {
			return answer(r, 307, "", "Location", "http://127.0.0.1:1/v2/regions"), nil
		}
		other = r.Header.Get("Authorization")
		return answer(r, 200, ""), nil
	}
	if _, err := w.open(w.config()).Publish(t.Context()); err == nil || !strings.Contains(err.Error(), "not followed") || other != "" {
		t.Errorf("%v; the other got %q", err, other)
	}
}
