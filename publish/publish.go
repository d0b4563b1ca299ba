// Package publish brings a cluster's image, and the machines that run it, to
// the places where they run. Each place is a [Destination] with a folder of its
// own below this one.
//
// What a run does is decided from what the destination has: nothing is kept in
// a file of ours. All that is made carries the cluster's name and the image's
// id, so that a second run finds it, goes on where an interrupted one stopped,
// and changes nothing where all is there.
package publish

import (
	"context"
	"time"
)

// Destination is a place where images are stored and machines run.
type Destination interface {
	// Publish brings the image there, and what else the destination was made to
	// bring. The summary holds what was done up to an error, too.
	Publish(ctx context.Context) (*Summary, error)
	// List tells what the destination has of the cluster, of any image.
	List(ctx context.Context) (*Summary, error)
	// Delete removes what the destination has of the cluster.
	Delete(ctx context.Context, what Removal) (*Summary, error)
}

// Removal says what [Destination.Delete] removes.
type Removal struct {
	Images   []string // ids of images; empty for all
	Machines bool     // the machines, too, and what belongs to them
	Nodes    []string // with Machines: only those of these nodes; empty for all
}

// Summary is what a run found and did.
type Summary struct {
	Destination string `json:"destination"` // digitalocean, vsphere
	Cluster     string `json:"cluster"`
	Image       string `json:"image,omitempty"` // id of the image of this run
	DryRun      bool   `json:"dryRun,omitempty"`
	Items       []Item `json:"items"`
	Calls       []Call `json:"calls,omitempty"` // those that change something: made, or with DryRun left out
}

// Item is one thing that the destination has, had or would have.
type Item struct {
	Kind  string `json:"kind"` // image, snapshot, droplet, template, machine, ...
	Name  string `json:"name"`
	ID    string `json:"id,omitempty"`    // the destination's
	Where string `json:"where,omitempty"` // region, datacenter, URL
	State State  `json:"state"`
	Note  string `json:"note,omitempty"` // address, size
}

// Line is the item in a line for people. Of a dry run, it is what would be.
func (i Item) Line(dry bool) string {
	state := string(i.State)
	if dry && i.State != Found && i.State != Kept {
		state = "would be " + state
	}
	line := i.Kind + " " + i.Name + ": " + state
	if i.ID != "" {
		line += ", id " + i.ID
	}
	if i.Where != "" {
		line += ", in " + i.Where
	}
	if i.Note != "" {
		line += " (" + i.Note + ")"
	}
	return line
}

// State is what a run did with an item.
type State string

// The states. In a dry run they are what would be done.
const (
	Found    State = "found" // by List
	Kept     State = "kept"  // it was there already, as it should be
	Created  State = "created"
	Changed  State = "changed"
	Replaced State = "replaced"
	Deleted  State = "deleted"
)

// Call is one request to the destination that changes something. It holds no
// secret: what is secret in it is written as its length.
type Call struct {
	Method string `json:"method"` // POST, PUT, DELETE, or the name of the procedure
	Target string `json:"target"` // path, or the object
	Body   any    `json:"body,omitempty"`
}

// Progress is told how far a run is. Steps are named; several can run at once.
// The methods are those of a bake's progress, so that one display shows both.
type Progress interface {
	Begin(step string)
	Advance(step string, done, total int64) // in bytes, or in whatever total is
	Say(step, text string)                  // what it waits for
	End(step string, took time.Duration, cached bool, size int64, err error)
}
