// Package digitalocean brings a cluster's image and its machines to
// DigitalOcean: the image by way of a bucket, from which the platform fetches
// it, the machines as Droplets with what belongs to them.
//
// What is there is found by tags and names, and what is done follows from it.
// So a run that was interrupted anywhere goes on when it is run again.
package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/digitalocean/godo"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/objectstore"
)

// Name of the destination.
const Name = "digitalocean"

// DefaultURL is the API's.
const DefaultURL = "https://api.digitalocean.com/"

// Config says what to bring where.
type Config struct {
	Cluster *cluster.Cluster
	Token   string // of the API; a secret
	URL     string // of the API; empty for [DefaultURL]; http on loopback only
	Regions []string
	Bucket  *objectstore.Bucket // where the image is fetched from; nil where nothing has to be uploaded
	Image   Image               // for Publish only

	Keep     bool // leave the upload in the bucket
	Snapshot bool // make a snapshot of a Droplet, too
	Droplets bool // make the Droplets of the nodes
	Replace  bool // replace Droplets of another image
	Nodes    []string
	// UserData gives what a node gets; with Droplets.
	UserData func(node string) ([]byte, error)

	DryRun    bool
	Timeout   time.Duration // of each wait; zero for an hour
	Progress  publish.Progress
	Now       func() time.Time
	Sleep     func(context.Context, time.Duration) error // nil for real time
	Transport http.RoundTripper                          // nil for Go's own
}

// Image is what a bake has made.
type Image struct {
	ID     string // twelve hexadecimal digits
	File   string // path of the disk, raw and compressed with gzip
	SHA256 string // of the file
	Size   int64  // of the file, in bytes
}

// Destination is an account at DigitalOcean.
type Destination struct{ cfg Config }

var _ publish.Destination = (*Destination)(nil)

// defaultTimeout is how long an import may take: minutes are usual.
const defaultTimeout = time.Hour

// New checks a configuration. It sends nothing.
func New(cfg Config) (*Destination, error) {
	if cfg.URL == "" {
		cfg.URL = DefaultURL
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Transport == nil {
		cfg.Transport = defaultTransport()
	}
	u, err := url.Parse(cfg.URL)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("%q is not the address of an API", cfg.URL)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, fmt.Errorf("the API's address %q is not https, which is only for one on this machine", cfg.URL)
	case cfg.Token == "":
		return nil, errors.New("there is no token for the API")
	case cfg.Cluster == nil || cfg.Progress == nil || cfg.Now == nil:
		return nil, errors.New("cluster, progress and clock must be given")
	}
	return &Destination{cfg: cfg}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// answerTime is how long the API may think about one request.
const answerTime = time.Minute

func defaultTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = answerTime
	return t
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// run is one of Publish, List or Delete.
type run struct {
	Config
	api     *godo.Client
	wire    *wire
	items   []publish.Item
	secrets []string // that no text may show
	step    string   // that is shown

	tags    map[string]bool            // that there are, as far as this run knows
	sshKeys []godo.DropletCreateSSHKey // once they were looked for
}

func (d *Destination) run() (*run, error) {
	r := &run{Config: d.cfg, secrets: []string{d.cfg.Token}, tags: map[string]bool{}}
	r.wire = &wire{run: r}
	// The token goes to the API and nowhere else.
	client := &http.Client{Transport: r.wire, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		return fmt.Errorf("the API sends to another place (%s), which is not followed", req.URL.Host)
	}}
	api, err := godo.New(client, godo.SetBaseURL(d.cfg.URL), godo.SetUserAgent("ingot"))
	if err != nil {
		return nil, err
	}
	r.api = api
	return r, nil
}

// Publish implements [publish.Destination].
func (d *Destination) Publish(ctx context.Context) (*publish.Summary, error) {
	return d.do(ctx, (*run).publish)
}

// List implements [publish.Destination].
func (d *Destination) List(ctx context.Context) (*publish.Summary, error) {
	return d.do(ctx, func(r *run, ctx context.Context) error {
		return r.section("list", func() error { return r.list(ctx) })
	})
}

// Delete implements [publish.Destination].
func (d *Destination) Delete(ctx context.Context, what publish.Removal) (*publish.Summary, error) {
	return d.do(ctx, func(r *run, ctx context.Context) error { return r.delete(ctx, what) })
}

func (d *Destination) do(ctx context.Context, work func(*run, context.Context) error) (*publish.Summary, error) {
	r, err := d.run()
	if err != nil {
		return nil, err
	}
	err = r.scrubbed(work(r, ctx))
	s := &publish.Summary{
		Destination: Name, Cluster: r.Cluster.Def.Name, Image: r.Image.ID, DryRun: r.DryRun, Items: r.items, Calls: r.wire.made(),
	}
	if s.Items == nil {
		s.Items = []publish.Item{}
	}
	return s, err
}

// add puts an item into the summary.
func (r *run) add(kind, name string, id any, where string, state publish.State, note string) {
	item := publish.Item{Kind: kind, Name: name, Where: where, State: state, Note: note}
	if text := fmt.Sprint(id); text != fmt.Sprint(plannedID) && text != planned {
		item.ID = text
	}
	r.items = append(r.items, item)
}

// section runs a part of the work as a step that is shown.
func (r *run) section(step string, work func() error) error {
	began := r.Now()
	r.Progress.Begin(step)
	before := r.step
	r.step = step
	err := work()
	r.step = before
	r.Progress.End(step, r.Now().Sub(began), false, 0, err)
	return err
}

// say shows what the step waits for.
func (r *run) say(format string, args ...any) {
	if r.step != "" {
		r.Progress.Say(r.step, r.scrub(fmt.Sprintf(format, args...)))
	}
}
