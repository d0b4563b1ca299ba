// Package vsphere publishes to a vCenter or to a single ESXi host: the image as
// a template, and a machine for each node, with its identity on an ISO in its
// CD drive or in guestinfo.
//
// What there is says what a run does. Every machine that it makes, and every
// template, carries settings of ours from the moment it exists ([marks]): whose
// it is, of what image, and whether it is finished. What has none of them is
// never touched. What is not finished is removed and made again.
//
// A vCenter clones the template. A single ESXi host cannot clone: there the
// template is a machine that is never started, and its disk is copied.
package vsphere

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
)

// Name of the destination in summaries.
const Name = "vsphere"

// Config says what to publish, and where.
type Config struct {
	Cluster     string // its name
	Where       cluster.PublishVSphere
	Trust       Trust
	Credentials Credentials
	Image       Image
	Machines    []Machine
	Replace     bool // replace machines that differ from what they should be, one at a time
	DetachISO   bool // take the identity away from machines that run already
	DryRun      bool // change nothing, and say what would be done
	// UserAgent is what the server logs of us.
	UserAgent string
	Progress  publish.Progress // may be nil
	Now       func() time.Time // for the progress
}

// Image is the image to publish.
type Image struct {
	ID     string
	OVA    string // path
	SHA256 string // of the OVA, in hexadecimal
}

// Machine is one node's machine.
type Machine struct {
	Node string
	// Controller says that the machine has a member of etcd: of those, one is
	// replaced by a run, and none while another is missing.
	Controller bool
	Size       cluster.VSphereSize
	MAC        string // of the network adapter; empty has vSphere choose
	// Identity is the path of config.iso or guestinfo.json, which
	// Config.Where.Identity says. In a dry run it may be a file that is not
	// there yet.
	Identity string
}

// Destination implements [publish.Destination].
type Destination struct {
	cfg Config
}

var _ publish.Destination = (*Destination)(nil)

// New checks a configuration. It does not speak with the server yet.
func New(cfg Config) (*Destination, error) {
	if cfg.Now == nil {
		return nil, errors.New("publishing to vSphere: no clock")
	}
	if cfg.Progress == nil {
		cfg.Progress = silent{}
	}
	if err := cfg.Credentials.check(); err != nil {
		return nil, fmt.Errorf("publishing to vSphere: %w", err)
	}
	if _, err := cfg.Trust.pool(); err != nil {
		return nil, fmt.Errorf("publishing to vSphere: %w", err)
	}
	return &Destination{cfg: cfg}, nil
}

// Publish implements [publish.Destination]. The error of one machine ends the
// run; the summary holds what was done until then.
func (d *Destination) Publish(ctx context.Context) (*publish.Summary, error) {
	return d.session(ctx, (*run).planPublish)
}

// List implements [publish.Destination].
func (d *Destination) List(ctx context.Context) (*publish.Summary, error) {
	return d.session(ctx, (*run).planList)
}

// Delete implements [publish.Destination]. What to remove with the machines is
// their config ISOs.
func (d *Destination) Delete(ctx context.Context, what publish.Removal) (*publish.Summary, error) {
	return d.session(ctx, func(r *run, ctx context.Context) ([]*job, error) { return r.planDelete(ctx, what) })
}

// run is one session with a server.
type run struct {
	Config
	*client
	place      *place
	found      *inventory
	files      *files
	shelf      *shelf   // nil where there is no content library
	image      *ova     // read where it has to be sent
	template   *machine // once it is whole
	memberGone bool     // a controller has lost its data, or will by this run
	summary    *publish.Summary
}

// session logs in, looks at what there is, plans and does what was planned.
func (d *Destination) session(ctx context.Context, plan func(*run, context.Context) ([]*job, error)) (*publish.Summary, error) {
	r := &run{Config: d.cfg}
	r.summary = &publish.Summary{
		Destination: Name, Cluster: d.cfg.Cluster, Image: d.cfg.Image.ID, DryRun: d.cfg.DryRun, Items: []publish.Item{},
	}
	if err := r.all(ctx, plan); err != nil {
		return r.summary, fmt.Errorf("publishing to %s: %w", d.cfg.Where.Server, explain(err))
	}
	return r.summary, nil
}

func (r *run) all(ctx context.Context, plan func(*run, context.Context) ([]*job, error)) (err error) {
	if r.client, err = r.connect(ctx); err != nil {
		return err
	}
	defer r.logout(ctx)
	if r.place, err = r.findPlace(ctx); err != nil {
		return err
	}
	if r.found, err = r.look(ctx); err != nil {
		return err
	}
	if r.files, err = r.lookForISOs(ctx); err != nil {
		return err
	}
	if r.shelf, err = r.findLibrary(ctx); err != nil {
		return err
	}
	jobs, err := plan(r, ctx)
	if err != nil {
		return err
	}
	return r.do(ctx, jobs)
}

// silent is a progress that nobody sees.
type silent struct{}

func (silent) Begin(string)                                  {}
func (silent) Advance(string, int64, int64)                  {}
func (silent) Say(string, string)                            {}
func (silent) End(string, time.Duration, bool, int64, error) {}
